// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct IPv4Tests {
    static let header = IPv4(
        typeOfService: 0xb9, payloadLength: 271, identification: 0x1c3d, dontFragment: true, timeToLive: 0x6e,
        nextHeader: NextHeader.udp, source: IPv4Address(0xc633_6407), destination: IPv4Address(0xac1d_5192))
    /// The header as Scapy builds it.
    static let vector = hex("45b90123 1c3d4000 6e11c6e9 c6336407 ac1d5192")
    static let packet = vector + [UInt8](repeating: 0x5e, count: 271)

    @Test func parsesTheVector() {
        #expect(IPv4Fields(Self.packet) == IPv4Fields(Self.header))
        #expect(unsafe IPv4View(Self.packet.span.bytes)?.checksum == 0xc6e9)
    }

    @Test func emitsTheVectorAndNothingAround() {
        #expect(emitted(24) { Self.header.emit(into: &$0, at: 2) } == [0xff, 0xff] + Self.vector + [0xff, 0xff])
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.packet.count { #expect(IPv4Fields(Array(Self.packet.prefix(count))) == nil) }
    }

    @Test func octetsBehindThePacketAreLeftOut() {
        #expect(IPv4Fields(Self.packet + [1, 2, 3]) == IPv4Fields(Self.header))
    }

    /// Every version, header length and total length, over 64 octets.
    @Test func exactlyTheConsistentLengthsAreAccepted() {
        var octets = [UInt8](repeating: 0x5e, count: 64)
        for first in UInt8.min...UInt8.max {
            for total in 0...80 {
                octets[0] = first
                octets[2] = 0
                octets[3] = UInt8(total)
                let header = Int(first % 16) * 4
                let isConsistent = first / 16 == 4 && header >= 20 && header <= total && total <= 64
                #expect((IPv4Fields(octets) != nil) == isConsistent, "first octet \(first), total length \(total)")
            }
        }
    }

    @Test func optionsBelongToTheHeader() throws {
        // Router alert (RFC 2113) behind the fixed header.
        var octets = hex("46b90019 1c3d0000 6e110000 c6336407 ac1d5192 94040000 5e")
        let checksum = ~naiveSum(Array(octets.prefix(24)))
        octets[10] = UInt8(checksum >> 8)
        octets[11] = UInt8(checksum & 0xff)
        let fields = try #require(IPv4Fields(octets))
        #expect(fields.headerByteCount == 24)
        #expect(fields.totalLength == 25)
        #expect(fields.isChecksumValid)
        octets[20] ^= 0x80
        #expect(IPv4Fields(octets)?.isChecksumValid == false, "the checksum covers the options")
    }

    @Test(arguments: [
        (0x0000, false, false), (0x4000, true, false), (0x2000, false, true), (0x0001, false, true),
        (0x1fff, false, true),
        (0x8000, false, false), (0x6000, true, true), (0x0100, false, true),
    ])
    func flagsAndFragments(word: UInt16, dontFragment: Bool, isFragment: Bool) throws {
        var octets = Self.packet
        octets[6] = UInt8(word >> 8)
        octets[7] = UInt8(word & 0xff)
        let fields = try #require(IPv4Fields(octets))
        #expect(fields.dontFragment == dontFragment)
        #expect(fields.isFragment == isFragment)
    }

    @Test func everyBitOfTheHeaderIsUnderTheChecksum() {
        for bit in 0..<160 {
            var octets = Self.packet
            octets[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            #expect(IPv4Fields(octets)?.isChecksumValid != true, "bit \(bit)")
        }
    }

    @Test func randomHeadersComeBack() {
        var random = Seeded(791)
        for _ in 0..<1_000 {
            let header = IPv4(
                typeOfService: random.value(), payloadLength: random.value(0...80), identification: random.value(),
                dontFragment: random.value(0...1) == 1, timeToLive: random.value(), nextHeader: random.value(),
                source: random.ipv4Address(), destination: random.ipv4Address())
            let packet = emitted(20 + header.payloadLength) { header.emit(into: &$0, at: 0) }
            #expect(IPv4Fields(packet) == IPv4Fields(header))
            #expect(naiveSum(Array(packet.prefix(20))) == 0xffff)
        }
    }

    /// RFC 1624: the updated checksum is the one that a full computation gives.
    @Test func aDecrementedTimeToLiveKeepsTheChecksum() {
        var random = Seeded(1624)
        for round in 0..<2_000 {
            var header = IPv4(
                typeOfService: random.value(), payloadLength: random.value(0...1_400), identification: random.value(),
                timeToLive: UInt8(1 + round % 255), nextHeader: random.value(), source: random.ipv4Address(),
                destination: random.ipv4Address())
            let offset = random.value(0...9)
            let decremented = emitted(40) {
                header.emit(into: &$0, at: offset)
                IPv4View.decrementTimeToLive(&$0, at: offset)
            }
            header.timeToLive -= 1
            #expect(decremented == emitted(40) { header.emit(into: &$0, at: offset) })
        }
    }

    /// The one header whose checksum becomes all zeros: RFC 1624 exists because RFC 1141 got it wrong.
    @Test func aChecksumOfZeroIsReachedAndLeft() {
        var header = Self.header
        header.identification = 0
        let withoutIdentification = emitted(20) { header.emit(into: &$0, at: 0) }
        // Let the identification bring the checksum to 0x0100 and then 0x0000 with the TTL one less.
        let checksum = UInt16(withoutIdentification[10]) << 8 | UInt16(withoutIdentification[11])
        for target in [UInt16(0x0000), 0x0100, 0xff00, 0xfeff, 0xfffe] {
            header.identification = ~naiveSum([UInt8(target >> 8), UInt8(target & 0xff)], partial: ~checksum)
            var before = emitted(20) { header.emit(into: &$0, at: 0) }
            #expect([before[10], before[11]] == [UInt8(target >> 8), UInt8(target & 0xff)])
            before = emitted(20) {
                header.emit(into: &$0, at: 0)
                IPv4View.decrementTimeToLive(&$0, at: 0)
            }
            var after = header
            after.timeToLive -= 1
            #expect(before == emitted(20) { after.emit(into: &$0, at: 0) }, "from checksum \(target)")
        }
    }

    @Test func aPacketThatTheLengthFieldCannotHoldTraps() async {
        await #expect(processExitsWith: .failure) {
            var header = IPv4Tests.header
            header.payloadLength = 65_516
            _ = emitted(20) { header.emit(into: &$0, at: 0) }
        }
        await #expect(processExitsWith: .failure) { _ = emitted(19) { IPv4Tests.header.emit(into: &$0, at: 0) } }
    }
}
