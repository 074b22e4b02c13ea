// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct IPv6Tests {
    static let header = IPv6(
        trafficClass: 0xab, flowLabel: 0xcdef1, payloadLength: 0x0234, nextHeader: NextHeader.routing, hopLimit: 0x7d,
        source: IPv6Address(high: 0xfd15_2637_4859_6a7b, low: 0x8c9d_aebf_c0d1_e2f3),
        destination: IPv6Address(high: 0xfc04_9586_a798_b9ca, low: 0xdbec_0d1e_2f30_4152))
    static let vector = hex("6abcdef1 02342b7d fd15263748596a7b8c9daebfc0d1e2f3 fc049586a798b9cadbec0d1e2f304152")
    static let packet = vector + [UInt8](repeating: 0x5e, count: 0x0234)

    @Test func parsesTheVector() {
        #expect(IPv6Fields(Self.packet) == IPv6Fields(Self.header))
        #expect(IPv6Fields(Self.packet)?.totalLength == 40 + 0x0234)
    }

    @Test func emitsTheVectorAndNothingAround() {
        #expect(
            emitted(46) { Self.header.emit(into: &$0, at: 5) } == [0xff, 0xff, 0xff, 0xff, 0xff] + Self.vector + [0xff])
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.packet.count { #expect(IPv6Fields(Array(Self.packet.prefix(count))) == nil) }
    }

    @Test func octetsBehindThePayloadAreLeftOut() {
        #expect(IPv6Fields(Self.packet + [1, 2, 3]) == IPv6Fields(Self.header))
    }

    @Test func exactlyTheConsistentVersionsAndLengthsAreAccepted() {
        var octets = [UInt8](repeating: 0x5e, count: 72)
        for first in UInt8.min...UInt8.max {
            for payload in [0, 1, 31, 32, 33, 255, 256, 0x2000, 0xffff] {
                octets[0] = first
                octets[4] = UInt8(payload >> 8)
                octets[5] = UInt8(payload & 0xff)
                #expect(
                    (IPv6Fields(octets) != nil) == (first / 16 == 6 && payload <= 32),
                    "first octet \(first), payload length \(payload)")
            }
        }
    }

    @Test func randomHeadersComeBack() {
        var random = Seeded(8200)
        for _ in 0..<1_000 {
            let header = IPv6(
                trafficClass: random.value(), flowLabel: random.value(), payloadLength: random.value(0...90),
                nextHeader: random.value(), hopLimit: random.value(), source: random.ipv6Address(),
                destination: random.ipv6Address())
            let packet = emitted(40 + Int(header.payloadLength)) { header.emit(into: &$0, at: 0) }
            #expect(IPv6Fields(packet) == IPv6Fields(header))
            #expect(packet[0] >> 4 == 6, "a flow label of more than 20 bits stays out of the version")
        }
    }

    @Test func theFirstWordIsWhatEmitWrites() {
        #expect(IPv6.firstWord(trafficClass: 0xab, flowLabel: 0xcdef1) == 0x6abc_def1)
        #expect(IPv6.firstWord(trafficClass: 0xff, flowLabel: 0xfff0_0000) == 0x6ff0_0000)
    }

    @Test func nextHeadersHaveTheirRegisteredNumbers() {
        #expect(
            [
                NextHeader.hopByHop, NextHeader.ipv4, NextHeader.tcp, NextHeader.udp, NextHeader.ipv6,
                NextHeader.routing,
                NextHeader.fragment, NextHeader.icmpv6, NextHeader.none, NextHeader.destinationOptions,
                NextHeader.ethernet,
            ] == [0, 4, 6, 17, 41, 43, 44, 58, 59, 60, 143])
    }

    @Test func anEmitThatDoesNotFitTraps() async {
        await #expect(processExitsWith: .failure) { _ = emitted(39) { IPv6Tests.header.emit(into: &$0, at: 0) } }
    }
}

@Suite struct ExtensionWalkTests {
    /// A packet with destination options of the given lengths in octets, then a header of type `last`.
    static func packet(_ lengths: [Int], last: UInt8, payload: [UInt8] = []) -> [UInt8] {
        var chain: [UInt8] = []
        for (index, length) in lengths.enumerated() {
            let next = index + 1 < lengths.count ? NextHeader.destinationOptions : last
            // PadN over the rest.
            chain += [next, UInt8(length / 8 - 1), 1, UInt8(min(255, length - 4))]
            chain += [UInt8](repeating: 0, count: length - 4)
        }
        chain += payload
        let header = IPv6(
            payloadLength: UInt16(chain.count), nextHeader: lengths.isEmpty ? last : NextHeader.destinationOptions,
            hopLimit: 64, source: IPv6Tests.header.source, destination: IPv6Tests.header.destination)
        return emitted(40) { header.emit(into: &$0, at: 0) } + chain
    }

    /// The walk as the documentation says it, over an array that cannot be read outside.
    static func oracle(_ packet: [UInt8], from begin: Int, nextHeader: UInt8, limit: Int = 4) -> Walk {
        let end = 40 + Int(packet[4]) << 8 + Int(packet[5])
        var walk = Walk(nextHeader, at: begin)
        var passed = 0
        while walk.nextHeader == 60 {
            if passed == limit { return Walk(60, at: walk.offset, .tooMany) }
            if walk.offset + 8 > end || walk.offset + 8 * (Int(packet[walk.offset + 1]) + 1) > end {
                return Walk(60, at: walk.offset, .truncated)
            }
            walk = Walk(packet[walk.offset], at: walk.offset + 8 * (Int(packet[walk.offset + 1]) + 1))
            passed += 1
        }
        return walk
    }

    @Test(arguments: [
        ([], 40), ([8], 48), ([16], 56), ([2048], 2088), ([8, 24], 72), ([8, 16, 8], 72), ([8, 8, 8, 8], 72),
        ([2048, 2048, 2048, 2048], 8232),
    ])
    func destinationOptionsArePassed(lengths: [Int], offset: Int) {
        #expect(Walk(Self.packet(lengths, last: NextHeader.udp)) == Walk(NextHeader.udp, at: offset))
    }

    /// Even where the last of the headers ends the packet, and whatever comes behind.
    @Test(arguments: [5, 6, 40]) func noMoreThanTheLimitArePassed(count: Int) {
        #expect(IPv6View.Extensions.limit == 4)
        let packet = Self.packet(Array(repeating: 8, count: count), last: NextHeader.udp)
        #expect(Walk(packet) == Walk(NextHeader.destinationOptions, at: 72, .tooMany))
    }

    @Test func everyOtherHeaderEndsTheWalk() {
        for type in UInt8.min...UInt8.max where type != NextHeader.destinationOptions {
            #expect(Walk(Self.packet([], last: type, payload: hex("3c00010400000000"))) == Walk(type, at: 40))
            #expect(Walk(Self.packet([8, 16], last: type)) == Walk(type, at: 64))
        }
    }

    @Test func aHeaderThatIsCutShortIsTold() {
        let options = hex("1101010c 00000000 00000000 00000000")
        for count in 0..<options.count {
            var packet = Self.packet([8], last: NextHeader.destinationOptions) + options.prefix(count)
            packet[5] = UInt8(packet.count - 40)
            #expect(Walk(packet) == Walk(NextHeader.destinationOptions, at: 48, .truncated), "\(count) octets")
            // The octets may be there, but behind the packet's end they are not the packet's.
            #expect(
                Walk(packet + options.suffix(options.count - count))
                    == Walk(NextHeader.destinationOptions, at: 48, .truncated))
        }
    }

    @Test func aWalkCanBeginBehindARoutingHeader() {
        let packet = Self.packet([8, 16], last: NextHeader.ipv6)
        #expect(Walk(packet, from: 48, nextHeader: NextHeader.destinationOptions) == Walk(NextHeader.ipv6, at: 64))
        #expect(Walk(packet, from: 48, nextHeader: NextHeader.udp) == Walk(NextHeader.udp, at: 48))
        #expect(
            Walk(packet, from: packet.count, nextHeader: NextHeader.destinationOptions)
                == Walk(NextHeader.destinationOptions, at: packet.count, .truncated))
        #expect(
            Walk(packet, from: packet.count, nextHeader: NextHeader.none) == Walk(NextHeader.none, at: packet.count))
    }

    /// The options header of RFC 9343 (alternate marking), as in the published vectors.
    @Test func alternateMarkingOptionsArePassed() {
        let packet = Self.packet([], last: NextHeader.destinationOptions, payload: hex("11001204abcde400"))
        #expect(Walk(packet) == Walk(NextHeader.udp, at: 48))
    }

    @Test func randomChainsEndWhereTheOracleSays() throws {
        var random = Seeded(60)
        var endings: [IPv6View.Extensions.Status: Int] = [:]
        for _ in 0..<30_000 {
            let lengths = (0..<random.value(0...7)).map { _ in 8 * random.value(1...3) }
            var packet = Self.packet(lengths, last: random.value(), payload: random.octets(0...20))
            if packet.count > 40 && random.value(0...1) == 0 {
                packet[random.value(40...packet.count - 1)] = random.value(0...70)
            }
            if random.value(0...2) == 0 { packet[5] = random.value(0...packet[5]) }
            let walk = try #require(Walk(packet))
            try #require(walk == Self.oracle(packet, from: 40, nextHeader: packet[6]))
            endings[walk.status, default: 0] += 1
            let begin = random.value(40...packet.count)
            try #require(
                Walk(packet, from: begin, nextHeader: 60) == Self.oracle(packet, from: begin, nextHeader: 60))
        }
        #expect(endings.values.count { $0 > 1_000 } == 3, "every ending was reached: \(endings)")
    }
}
