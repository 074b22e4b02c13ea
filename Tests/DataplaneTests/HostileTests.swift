// SPDX-License-Identifier: Apache-2.0
import Bench
import Dataplane
import SRv6
import Testing
import Wire

@Suite("Hostile packets")
struct HostileTests {
    /// Packets that take every path of the engine.
    static let seeds: [[UInt8]] = [
        customer6(), customer4(), customer6(to: "fd00:9::2"), customer6(to: "fd00:c::2"), customer4(to: "10.9.0.2"),
        SRv6Tests.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1),
        SRv6Tests.arriving(customer6(), to: "fcff:1::2", listed: "fcff:1::2,fcff:8::100", left: 1),
        SRv6Tests.arriving(customer6(), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0),
        SRv6Tests.arriving(customer6(), to: "fcff:1::600", listed: "fcff:1::600", left: 0),
        SRv6Tests.arriving(customer4(), to: "fcff:1::400", listed: "fcff:1::1,fcff:1::400", left: 0),
        PacketFactory.encapsulated(
            customer6(), from: v6("fcff:9::1"), to: v6("fcff:1::100"), listed: [], segmentsLeft: 0),
    ]

    static let policies = """

        route fd00:c::/64 encap seg6 mode encap segs fcff:2::1,fcff:8::100 dev p1
        route 10.9.0.0/16 encap seg6 mode encap.red segs fcff:2::1,fcff:8::400 dev p1
        """

    /// Some octets changed, most of them in the headers; sometimes the end cut off or more put behind it.
    static func mutated(_ random: inout SplitMix, _ factory: PacketFactory) -> [UInt8] {
        var frame = factory.frame(seeds[Int(random.next() % UInt64(seeds.count))])
        for _ in 0..<Int(random.next() % 4) {
            let reach = random.next() % 2 == 0 ? min(frame.count, 64) : frame.count
            let value: [UInt8] = [0, 1, 4, 41, 43, 44, 60, 0x7f, 0xff, UInt8(truncatingIfNeeded: random.next())]
            frame[Int(random.next() % UInt64(reach))] = value[Int(random.next() % UInt64(value.count))]
        }
        switch random.next() % 5 {
        case 0: frame.removeLast(Int(random.next() % UInt64(frame.count)))
        case 1: frame += [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: Int(random.next() % 200))
        default: break
        }
        return frame
    }

    @Test("every mutated packet ends in exactly one way, and no frame is lost", arguments: [UInt64(1), 2, 3, 4])
    func mutations(_ seed: UInt64) throws {
        let scene = try Scene(SRv6Tests.endpoint + Self.policies) { $0.puntRate = 100_000_000 }
        try scene.dataplane.addFlow(
            Flow(policy: Policy(segments: list("fcff:1::1,fcff:1::100")), direction: .ingress))
        try scene.dataplane.addFlow(
            Flow(policy: Policy(segments: list("fcff:2::1,fcff:8::100")), direction: .egress))
        var random = SplitMix(seed: seed)
        var outcomes = (transmitted: 0, punted: 0, dropped: 0)
        for _ in 0..<20_000 {
            // More packets than there are frames: a leak would end in nil.
            switch scene.driver.process(Self.mutated(&random, scene.factory), port: 0) {
            case .transmitted?: outcomes.transmitted += 1
            case .punted?: outcomes.punted += 1
            case .dropped?: outcomes.dropped += 1
            case nil: Issue.record("no frame or no room for a packet")
            }
        }
        let worker = scene.dataplane.workers()[0]
        #expect(worker.transmitted == UInt64(outcomes.transmitted))
        #expect(worker.punted == UInt64(outcomes.punted))
        #expect(worker.dropped == UInt64(outcomes.dropped))
        #expect(scene.drops.values.reduce(0, +) == worker.dropped)
        #expect(scene.unaccounted == 0)
        #expect(outcomes.transmitted > 1000 && outcomes.punted > 100 && outcomes.dropped > 1000)
    }

    @Test("noise is counted, piece by piece")
    func noise() throws {
        let scene = try Scene(SRv6Tests.endpoint + Self.policies) { $0.puntRate = 100_000_000 }
        var random = SplitMix(seed: 99)
        for _ in 0..<20_000 {
            var frame = (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if frame.count > 14, random.next() % 4 != 0 {
                frame[12] = random.next() % 2 == 0 ? 0x86 : 0x08
                frame[13] = frame[12] == 0x86 ? 0xdd : 0x00
            }
            #expect(scene.driver.process(frame, port: 0) != nil)
        }
        #expect(scene.dataplane.workers()[0].received == 20_000)
        #expect(scene.unaccounted == 0)
    }

    /// Octets behind a decapsulated packet's own length stay, as the kernel leaves them.
    @Test("a packet that is transmitted is one that its receiver can read")
    func transmittedIsWhole() throws {
        let scene = try Scene(SRv6Tests.endpoint + Self.policies) { $0.puntRate = 100_000_000 }
        var random = SplitMix(seed: 5)
        for _ in 0..<20_000 {
            guard
                case .transmitted(_, let octets)? = scene.driver.process(
                    Self.mutated(&random, scene.factory), port: 0)
            else { continue }
            let packet = Array(octets.dropFirst(EthernetView.byteCount))
            let isWhole =
                octets[12] == 0x86
                ? isWhole6(packet)
                : isWhole4(packet)
            #expect(isWhole, "\(packet)")
        }
    }
}

private func isWhole4(_ packet: [UInt8]) -> Bool {
    guard let ip = unsafe IPv4View(packet.span.bytes) else { return false }
    return ip.isChecksumValid
}

private func isWhole6(_ packet: [UInt8]) -> Bool { unsafe IPv6View(packet.span.bytes) != nil }
