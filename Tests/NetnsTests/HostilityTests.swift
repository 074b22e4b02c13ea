// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import SRv6
import Testing
import Wire

@Suite("Hostility", .serialized, .needsRoot, .needsDaemon)
struct HostilityTests {
    static let seed: UInt64 = 0x5257_3670_6d01

    /// The router's neighbor sends mutated packets of every kind that the router knows, to all of its SIDs, its own
    /// addresses and through its policies.
    @Test("garbage ends as a counted packet, and the daemon stays", arguments: [Router.r1, .r2])
    func garbage(router: Router) throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            let daemon = try Daemon(router, of: chain, in: laboratory)
            try chain.warmUp()
            let before = try daemon.settledTotals()
            let (sender, target) =
                router == .r1
                ? (Port(chain.h1, "h1-r1"), Port(chain.r1, "r1-h1"))
                : (Port(chain.r1, "r1-r2"), Port(chain.r2, "r2-r1"))
            let socket = try RawSocket(on: sender)
            var mutator = Mutator(
                seed: Self.seed, destination: try target.namespace.mac(of: target.device),
                locator: router == .r1 ? 1 : 2)
            let clock = ContinuousClock()
            let end = clock.now + .seconds(4)
            var sent = 0
            while clock.now < end {
                for _ in 0..<50 where socket.send(mutator.next()) { sent += 1 }
                // About 25 000 a second: the router shall parse them, not lose them in front of its door.
                usleep(2000)
            }
            let after = try daemon.settledTotals()
            #expect(daemon.process.status == nil, "the daemon died: \(daemon.process.output)")
            #expect(
                sent > 1000 && after.received - before.received > sent / 4, "\(sent) sent, \(after) after \(before)")
            #expect(
                after.dropped > before.dropped && after.punted > before.punted && after.transmitted > before.transmitted
            )
            // It still does its work.
            for pair in chain.flows.map(\.pair) + chain.plain { #expect(try chain.ping(pair), "\(pair.label)") }
        }
    }
}

/// Makes packets that are nearly right.
struct Mutator {
    private var random: SeededGenerator
    private let destination: MACAddress
    private let sids: [IPv6Address]
    private let ends6 = ["fd00:0:31::2", "fd00:0:32::2", "fd00:0:39::2", "fd00:0:11::2", "::1", "fcff:2::1", "ff02::1"]
        .compactMap { IPv6Address($0) }
    private let ends4 = ["10.0.3.2", "10.9.3.2", "10.0.1.2", "127.0.0.1", "255.255.255.255", "10.0.1.1"]
        .compactMap { IPv4Address($0) }

    init(seed: UInt64, destination: MACAddress, locator: Int) {
        random = SeededGenerator(seed: seed)
        self.destination = destination
        sids = ["100", "101", "104", "106", "e1", "e2", "a3", "1", "dead"].compactMap {
            IPv6Address("fcff:\(locator)::\($0)")
        }
    }

    private mutating func one<Element>(of elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private mutating func octet() -> UInt8 { UInt8.random(in: 0...255, using: &random) }

    /// The next frame: a valid one, with none to four things wrong with it.
    mutating func next() -> [UInt8] {
        let inner = Bool.random(using: &random) ? ipv6(payload: udp(), nextHeader: 17, to: one(of: ends6)) : ipv4()
        let isIPv6 = inner[0] >> 4 == 6
        var packet = inner
        if Int.random(in: 0..<4, using: &random) > 0 {
            packet = encapsulated(inner, isIPv6: isIPv6)
        }
        let type = packet[0] >> 4 == 6 ? EtherType.ipv6 : EtherType.ipv4
        for _ in 0..<Int.random(in: 0...4, using: &random) { mutate(&packet) }
        var frame = [UInt8](repeating: 0, count: 14)
        var span = frame.mutableSpan
        var octets = unsafe span.mutableBytes
        Ethernet(destination: destination, source: MACAddress(0x02_00_00_00_00_07), type: type).emit(
            into: &octets, at: 0)
        return frame + packet
    }

    private mutating func udp() -> [UInt8] {
        [4, 3, 21, 25, 0, 28, octet(), octet()] + (0..<20).map { UInt8($0) }
    }

    private mutating func ipv6(payload: [UInt8], nextHeader: UInt8, to address: IPv6Address) -> [UInt8] {
        // Hop limits of 0 and 1 are the router's exceptions.
        let header = IPv6(
            trafficClass: octet(), flowLabel: UInt32(octet()) << 4, payloadLength: UInt16(payload.count),
            nextHeader: nextHeader, hopLimit: one(of: [0, 1, 2, 64, 64, 64, 255]),
            source: IPv6Address(high: 0xfd00_0000_0011_0000, low: 2), destination: address)
        var packet = [UInt8](repeating: 0, count: 40)
        var span = packet.mutableSpan
        var octets = unsafe span.mutableBytes
        header.emit(into: &octets, at: 0)
        return packet + payload
    }

    private mutating func ipv4() -> [UInt8] {
        let payload = udp()
        var packet: [UInt8] = [
            0x45, octet(), 0, UInt8(20 + payload.count), 0, 1, 0, 0, one(of: [0, 1, 64, 64]), 17, 0, 0,
        ]
        for value in [UInt32(0x0a00_0102), one(of: ends4).value] {
            packet += (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
        }
        let checksum = unsafe ~Checksum.sum(packet.span.bytes)
        packet[10] = UInt8(checksum >> 8)
        packet[11] = UInt8(checksum & 0xff)
        return packet + payload
    }

    /// Outer header and SRH, with a chain of other extension headers before it now and then.
    private mutating func encapsulated(_ inner: [UInt8], isIPv6: Bool) -> [UInt8] {
        let count = Int.random(in: 1...4, using: &random)
        let left = Int.random(in: 0..<count, using: &random)
        let segments = (0..<count).map { _ in one(of: sids) }
        let header = SRH(nextHeader: isIPv6 ? 41 : 4, segmentsLeft: UInt8(left), segments: segments)
        var srh = [UInt8](repeating: 0, count: header.byteCount)
        var span = srh.mutableSpan
        var octets = unsafe span.mutableBytes
        header.emit(into: &octets, at: 0)
        var payload = srh + inner
        var next: UInt8 = 43
        for _ in 0..<Int.random(in: 0...9, using: &random) where Int.random(in: 0..<4, using: &random) == 0 {
            payload = [next, 0, 1, 4, 0, 0, 0, 0] + payload
            next = one(of: [0, 43, 44, 51, 60, 135])
        }
        return ipv6(payload: payload, nextHeader: next, to: segments[count - 1 - left])
    }

    private mutating func mutate(_ packet: inout [UInt8]) {
        func offset(_ limit: Int) -> Int { Int.random(in: 0..<min(limit, packet.count), using: &random) }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: packet = Array(packet.prefix(Int.random(in: 1...packet.count, using: &random)))
        case 1: packet[offset(200)] = octet()
        case 2: packet[offset(44)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        // Payload Length, or IPv4's identification.
        case 3 where packet.count > 5: packet[one(of: [4, 5])] = octet()
        // Where the SRH has its length, type, Segments Left and Last Entry.
        case 4 where packet.count > 44: packet[one(of: [41, 42, 43, 44])] = one(of: [0, 1, 2, 3, 4, 5, 127, 128, 255])
        case 5 where packet.count > 6: packet[6] = one(of: [0, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 97, 143, 255])
        case 6 where packet.count > 40: packet[40] = one(of: [0, 4, 6, 17, 41, 43, 44, 59, 60, 143, 255])
        default: packet += (0..<Int.random(in: 1...64, using: &random)).map { _ in octet() }
        }
    }
}
