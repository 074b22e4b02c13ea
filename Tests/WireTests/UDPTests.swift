// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct UDPTests {
    static let header = UDP(sourcePort: 0x1234, destinationPort: 0x5678)
    static let payload = hex("a1b2c3d4e5f60718293a4b")
    /// As Scapy builds them, between the addresses of the IPv6 and of the IPv4 vector.
    static let overIPv6 = hex("12345678 0013cd8a") + payload
    static let overIPv4 = hex("12345678 0013a860") + payload

    static let pseudoHeader6 = Checksum.pseudoHeader(
        source: IPv6Tests.header.source,
        destination: IPv6Address(high: 0xfd04_9586_a798_b9ca, low: 0xdbec_0d1e_2f30_4152), length: 19,
        nextHeader: NextHeader.udp)
    static let pseudoHeader4 = Checksum.pseudoHeader(
        source: IPv4Tests.header.source, destination: IPv4Tests.header.destination, length: 19,
        nextHeader: NextHeader.udp)

    /// The datagram with ones around it.
    private func datagram(_ payload: [UInt8], pseudoHeader: UInt16, at offset: Int = 0) -> [UInt8] {
        emitted(offset + 8 + payload.count + offset) {
            unsafe $0.setOctets(payload.span.bytes, at: offset + 8)
            Self.header.emit(into: &$0, at: offset, payloadLength: payload.count, pseudoHeader: pseudoHeader)
        }
    }

    @Test func parsesTheVectors() {
        #expect(UDPFields(Self.overIPv6) == UDPFields(Self.header, checksum: 0xcd8a, payload: Self.payload))
        #expect(UDPFields(Self.overIPv4) == UDPFields(Self.header, checksum: 0xa860, payload: Self.payload))
    }

    @Test func emitsTheVectorsAndNothingAround() {
        #expect(
            datagram(Self.payload, pseudoHeader: Self.pseudoHeader6, at: 3) == [255, 255, 255] + Self.overIPv6 + [
                255, 255, 255,
            ])
        #expect(datagram(Self.payload, pseudoHeader: Self.pseudoHeader4, at: 1) == [255] + Self.overIPv4 + [255])
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.overIPv6.count { #expect(UDPFields(Array(Self.overIPv6.prefix(count))) == nil) }
    }

    @Test func exactlyTheConsistentLengthsAreAccepted() {
        for length in [Int](0...40) + [0x0113, 0x1300, 0xffff] {
            var octets = Self.overIPv6
            octets[4] = UInt8(length >> 8)
            octets[5] = UInt8(length & 0xff)
            #expect((UDPFields(octets) != nil) == (8...19).contains(length), "length \(length)")
            if let fields = UDPFields(octets) { #expect(fields.payload == Array(octets[8..<length])) }
        }
    }

    @Test func octetsBehindTheDatagramAreLeftOut() {
        #expect(UDPFields(Self.overIPv6 + [1, 2]) == UDPFields(Self.overIPv6))
        #expect(isUDPChecksumValid(Self.overIPv6 + [1, 2], pseudoHeader: Self.pseudoHeader6) == true)
    }

    @Test func everyBitIsUnderTheChecksum() {
        #expect(isUDPChecksumValid(Self.overIPv6, pseudoHeader: Self.pseudoHeader6) == true)
        #expect(isUDPChecksumValid(Self.overIPv4, pseudoHeader: Self.pseudoHeader4) == true)
        #expect(isUDPChecksumValid(Self.overIPv6, pseudoHeader: Self.pseudoHeader4) == false)
        for bit in 0..<8 * Self.overIPv6.count {
            var octets = Self.overIPv6
            octets[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            #expect(isUDPChecksumValid(octets, pseudoHeader: Self.pseudoHeader6) != true, "bit \(bit)")
        }
    }

    @Test func randomDatagramsComeBack() throws {
        var random = Seeded(768)
        for _ in 0..<500 {
            let header = UDP(sourcePort: random.value(), destinationPort: random.value())
            let payload = random.octets(0...120)
            let pseudoHeader: UInt16 = random.value()
            let octets = emitted(8 + payload.count) {
                unsafe $0.setOctets(payload.span.bytes, at: 8)
                header.emit(into: &$0, at: 0, payloadLength: payload.count, pseudoHeader: pseudoHeader)
            }
            let fields = try #require(UDPFields(octets))
            #expect(fields == UDPFields(header, checksum: fields.checksum, payload: payload))
            #expect(naiveSum(octets, partial: pseudoHeader) == 0xffff)
            #expect(isUDPChecksumValid(octets, pseudoHeader: pseudoHeader) == true)
        }
    }

    /// RFC 768: a computed zero is transmitted as all ones, for zero says that there is none; RFC 8200 section 8.1
    /// has a receiver discard such a datagram.
    @Test func aChecksumOfZeroIsSentAsAllOnes() throws {
        let zeros = datagram([0, 0], pseudoHeader: Self.pseudoHeader6)
        // A word with the value of the checksum brings the sum to all ones.
        let ones = datagram([zeros[6], zeros[7]], pseudoHeader: Self.pseudoHeader6)
        #expect(ones[6...7] == [0xff, 0xff])
        #expect(isUDPChecksumValid(ones, pseudoHeader: Self.pseudoHeader6) == true)
        // The words around it get the ordinary checksums.
        let word = UInt16(zeros[6]) << 8 | UInt16(zeros[7])
        let less = datagram([UInt8((word - 1) >> 8), UInt8((word - 1) & 0xff)], pseudoHeader: Self.pseudoHeader6)
        #expect(less[6...7] == [0x00, 0x01])
        let more = datagram([UInt8((word + 1) >> 8), UInt8((word + 1) & 0xff)], pseudoHeader: Self.pseudoHeader6)
        #expect(more[6...7] == [0xff, 0xfe])
    }

    @Test func aDatagramWithoutChecksumDoesNotVerify() {
        var octets = Self.overIPv6
        octets[6] = 0
        octets[7] = 0
        #expect(UDPFields(octets)?.checksum == 0)
        #expect(isUDPChecksumValid(octets, pseudoHeader: Self.pseudoHeader6) == false)
    }

    @Test func aPayloadThatIsNotThereTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = emitted(20) { UDPTests.header.emit(into: &$0, at: 0, payloadLength: 13, pseudoHeader: 0) }
        }
        await #expect(processExitsWith: .failure) {
            _ = emitted(70_000) { UDPTests.header.emit(into: &$0, at: 0, payloadLength: 65_528, pseudoHeader: 0) }
        }
    }
}
