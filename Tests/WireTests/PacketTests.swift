// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

/// Whole packets, whose octets two foreign implementations agree on.
@Suite struct PacketTests {
    static let source = IPv6Address("2001:db8::1")!
    static let innerDestination = IPv6Address("2001:db8::5")!
    static let segments = ["2001:db8:1::", "2001:db8:2::", "2001:db8:3::100"].map { IPv6Address($0)! }
    static let udp = UDP(sourcePort: 1206, destinationPort: 1205)
    /// A loss measurement query.
    static let message = hex("1122334401020304050607088001000000000001")

    /// IPv6 / SRH / UDP.
    static let direct = hex(
        """
        6000000000542bff20010db800000000000000000000000120010db80001000000000000000000001106040202000000
        20010db800030000000000000000010020010db800020000000000000000000020010db8000100000000000000000000
        04b604b5001cc5581122334401020304050607088001000000000001
        """)
    /// IPv6 / SRH / IPv6 / UDP, as H.Encaps makes it.
    static let encapsulated = hex(
        """
        60000000007c2bff20010db800000000000000000000000120010db80001000000000000000000002906040202000000
        20010db800030000000000000000010020010db800020000000000000000000020010db8000100000000000000000000
        60000000001c11ff20010db800000000000000000000000120010db800000000000000000000000504b604b5001cc656
        1122334401020304050607088001000000000001
        """)
    /// The same with the first segment in the destination address alone, as H.Encaps.Red makes it.
    static let reduced = hex(
        """
        60000000006c2bff20010db800000000000000000000000120010db80001000000000000000000002904040201000000
        20010db800030000000000000000010020010db800020000000000000000000060000000001c11ff20010db800000000
        000000000000000120010db800000000000000000000000504b604b5001cc65611223344010203040506070880010000
        00000001
        """)

    private func outer(payload: Int, srh: inout MutableRawSpan) {
        IPv6(
            payloadLength: UInt16(payload), nextHeader: NextHeader.routing, hopLimit: 255, source: Self.source,
            destination: Self.segments[0]
        ).emit(into: &srh, at: 0)
    }

    /// The inner packet at `offset`.
    private func inner(into buffer: inout MutableRawSpan, at offset: Int) {
        IPv6(
            payloadLength: 28, nextHeader: NextHeader.udp, hopLimit: 255, source: Self.source,
            destination: Self.innerDestination
        ).emit(into: &buffer, at: offset)
        unsafe buffer.setOctets(Self.message.span.bytes, at: offset + 48)
        Self.udp.emit(
            into: &buffer, at: offset + 40, payloadLength: Self.message.count,
            pseudoHeader: Checksum.pseudoHeader(
                source: Self.source, destination: Self.innerDestination, length: 28, nextHeader: NextHeader.udp))
    }

    @Test func emitsADatagramBehindAnSRH() {
        let packet = emitted(Self.direct.count) {
            outer(payload: 84, srh: &$0)
            SRH(nextHeader: NextHeader.udp, segmentsLeft: 2, segments: Self.segments).emit(into: &$0, at: 40)
            unsafe $0.setOctets(Self.message.span.bytes, at: 104)
            Self.udp.emit(
                into: &$0, at: 96, payloadLength: Self.message.count,
                pseudoHeader: Checksum.pseudoHeader(
                    source: Self.source, destination: Self.segments[2], length: 28, nextHeader: NextHeader.udp))
        }
        #expect(packet == Self.direct)
    }

    @Test func emitsAnEncapsulatedPacket() {
        let packet = emitted(Self.encapsulated.count) {
            outer(payload: 124, srh: &$0)
            SRH(nextHeader: NextHeader.ipv6, segmentsLeft: 2, segments: Self.segments).emit(into: &$0, at: 40)
            inner(into: &$0, at: 96)
        }
        #expect(packet == Self.encapsulated)
    }

    @Test func emitsAReducedEncapsulation() {
        let packet = emitted(Self.reduced.count) {
            outer(payload: 108, srh: &$0)
            SRH(nextHeader: NextHeader.ipv6, segmentsLeft: 2, segments: Array(Self.segments.dropFirst()))
                .emit(into: &$0, at: 40)
            inner(into: &$0, at: 80)
        }
        #expect(packet == Self.reduced)
    }

    @Test func parsesWhatTheVectorsHold() throws {
        for (packet, count, next) in [
            (Self.direct, 3, NextHeader.udp), (Self.encapsulated, 3, NextHeader.ipv6),
            (Self.reduced, 2, NextHeader.ipv6),
        ] {
            let ip = try #require(IPv6Fields(packet))
            #expect(ip.totalLength == packet.count)
            #expect(ip.header.destination == Self.segments[0])
            #expect(Walk(packet) == Walk(NextHeader.routing, at: 40))
            let srh = try #require(SRHFields(Array(packet[40...])))
            #expect(srh.header.segments == Array(Self.segments.suffix(count)))
            #expect(srh.header.segmentsLeft == 2)
            #expect(srh.lastEntry == count - 1)
            #expect(srh.header.nextHeader == next)
            let behind = 40 + srh.byteCount
            #expect(Walk(packet, from: behind, nextHeader: next) == Walk(next, at: behind))
            let datagram = next == NextHeader.udp ? behind : behind + 40
            #expect(UDPFields(Array(packet[datagram...]))?.payload == Self.message)
            #expect(UDPFields(Array(packet[datagram...]))?.header == Self.udp)
        }
    }

    /// RFC 8200 section 8.1: while segments are left, the pseudo-header has the last of them, not the destination.
    @Test func thePseudoHeaderHasTheFinalDestination() {
        for (destination, isValid) in zip(Self.segments, [false, false, true]) {
            let pseudoHeader = Checksum.pseudoHeader(
                source: Self.source, destination: destination, length: 28, nextHeader: NextHeader.udp)
            #expect(isUDPChecksumValid(Array(Self.direct[96...]), pseudoHeader: pseudoHeader) == isValid)
        }
        let inner = Checksum.pseudoHeader(
            source: Self.source, destination: Self.innerDestination, length: 28, nextHeader: NextHeader.udp)
        #expect(isUDPChecksumValid(Array(Self.encapsulated[136...]), pseudoHeader: inner) == true)
    }

    /// ICMPv6 errors from 2001:db8:1::1 to 2001:db8::1 that quote the vectors: time exceeded, parameter problem, upper-layer header.
    @Test(arguments: [
        ("03008d8c00000000", encapsulated), ("04008c610000002b", encapsulated), ("0404730a00000060", direct),
    ])
    func ICMPv6ChecksumsVerify(header: String, quoted: [UInt8]) throws {
        let router = try #require(IPv6Address("2001:db8:1::1"))
        let pseudoHeader = Checksum.pseudoHeader(
            source: router, destination: Self.source, length: 8 + quoted.count, nextHeader: NextHeader.icmpv6)
        #expect(sum(hex(header) + quoted, partial: pseudoHeader) == 0xffff)
        #expect(sum(hex(header) + quoted, partial: pseudoHeader ^ 1) != 0xffff)
    }
}

/// No octets, however chosen, make a view trap or tell of something outside them.
@Suite struct HostilePacketTests {
    struct Outcome {
        var accepted = 0
        var refused = 0

        mutating func count(_ isAccepted: Bool) {
            if isAccepted { accepted += 1 } else { refused += 1 }
        }
    }

    /// Reads everything there is to read in octets that claim to be a frame, and what claims to be inside.
    ///
    /// - Returns: how many headers were accepted.
    private func readFrame(_ frame: [UInt8]) throws -> Int {
        guard let ethernet = EthernetFields(frame) else { return 0 }
        let packet = Array(frame.dropFirst(14))
        switch ethernet.header.type {
        case EtherType.ipv4: return try 1 + readIPv4(packet)
        case EtherType.ipv6: return try 1 + readIPv6(packet)
        default: return 1
        }
    }

    private func readIPv4(_ packet: [UInt8]) throws -> Int {
        guard let ip = IPv4Fields(packet) else { return 0 }
        try #require(ip.totalLength <= packet.count && ip.headerByteCount <= ip.totalLength && ip.headerByteCount >= 20)
        return try 1 + readUDP(Array(packet[ip.headerByteCount..<ip.totalLength]))
    }

    private func readIPv6(_ packet: [UInt8]) throws -> Int {
        guard let ip = IPv6Fields(packet), let before = Walk(packet) else { return 0 }
        try #require(ip.totalLength <= packet.count && before.offset <= ip.totalLength)
        guard before.status == .complete else { return 1 }
        let rest = Array(packet[before.offset..<ip.totalLength])
        guard before.nextHeader == NextHeader.routing else { return try 1 + readUDP(rest) }
        guard let srh = SRHFields(rest) else { return 1 }
        try #require(srh.byteCount <= rest.count && srh.byteCount >= 8 + 16 * (srh.lastEntry + 1))
        try #require(Int(srh.header.segmentsLeft) <= srh.lastEntry + 1)
        let behind = try #require(Walk(packet, from: before.offset + srh.byteCount, nextHeader: srh.header.nextHeader))
        try #require(behind.offset <= ip.totalLength)
        let inner = Array(packet[behind.offset..<ip.totalLength])
        switch behind.nextHeader {
        case NextHeader.ipv4: return try 2 + readIPv4(inner)
        case NextHeader.ipv6: return try 2 + readIPv6(inner)
        default: return try 2 + readUDP(inner)
        }
    }

    private func readUDP(_ octets: [UInt8]) throws -> Int {
        guard let udp = UDPFields(octets) else { return 0 }
        try #require(udp.length <= octets.count && udp.payload.count == udp.length - 8)
        _ = isUDPChecksumValid(octets, pseudoHeader: 0)
        return 1
    }

    @Test func randomOctetsNeverTrap() throws {
        var random = Seeded(0xdead)
        var outcomes = [Outcome](repeating: Outcome(), count: 4)
        for _ in 0..<100_000 {
            let octets = random.octets(0...72)
            // In half of the rounds the fields that are checked are plausible.
            func shaped(_ fields: [ClosedRange<UInt8>?]) -> [UInt8] {
                var shaped = octets
                if random.value(0...1) == 0 { return shaped }
                for (offset, range) in fields.enumerated() where offset < shaped.count {
                    if let range { shaped[offset] = random.value(range) }
                }
                return shaped
            }
            outcomes[0].count(try readIPv4(shaped([0x44...0x4f, nil, 0...0, 0...80])) > 0)
            outcomes[1].count(try readIPv6(shaped([0x60...0x6f, nil, nil, nil, 0...0, 0...40, 43...43])) > 0)
            outcomes[2].count(SRHFields(shaped([nil, 0...9, 4...4, 0...4, 0...4])) != nil)
            outcomes[3].count(try readUDP(shaped([nil, nil, nil, nil, 0...0, 0...80])) > 0)
        }
        for outcome in outcomes { #expect(outcome.accepted > 1_000 && outcome.refused > 1_000, "\(outcomes)") }
    }

    @Test func mutatedPacketsNeverTrap() throws {
        var random = Seeded(0xbeef)
        let ethernet = emitted(14) { EthernetTests.header.emit(into: &$0, at: 0) }
        let ipv4: [UInt8] = Array(ethernet.prefix(12)) + [8, 0]
        let options = ExtensionWalkTests.packet([8, 16, 8], last: NextHeader.udp, payload: UDPTests.overIPv6)
        let originals = [
            ethernet + PacketTests.direct, ethernet + PacketTests.encapsulated, ethernet + PacketTests.reduced,
            ethernet + options, ipv4 + hex("45000027 1c3d4000 6e11c6e9 c6336407 ac1d5192") + UDPTests.overIPv4,
        ]
        var depths = Set<Int>()
        for round in 0..<50_000 {
            var frame = originals[round % originals.count]
            for _ in 0..<random.value(1...3) {
                // Mostly the headers' first octets, where the lengths are.
                let position = random.value(0...3) == 0 ? random.value(0...frame.count - 1) : random.value(12...61)
                frame[min(position, frame.count - 1)] = random.value(0...2) == 0 ? random.value() : random.value(0...9)
            }
            if random.value(0...3) == 0 { frame.removeLast(random.value(0...frame.count)) }
            if random.value(0...7) == 0 { frame += random.octets(0...9) }
            depths.insert(try readFrame(frame))
        }
        #expect(depths.isSuperset(of: [0, 1, 2, 3, 4, 5]), "every depth was reached: \(depths.sorted())")
    }
}
