// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct EthernetTests {
    static let header = Ethernet(
        destination: MACAddress(0x0213_2435_4657), source: MACAddress(0x6879_8a9b_acbd), type: EtherType.ipv6)
    static let vector = hex("021324354657 68798a9bacbd 86dd")

    @Test func parsesTheVector() {
        #expect(EthernetFields(Self.vector) == EthernetFields(Self.header))
        #expect(EthernetFields(Self.vector + [0x60]) == EthernetFields(Self.header), "what follows is not the header's")
    }

    @Test func emitsTheVectorAndNothingAround() {
        let buffer = emitted(20) { Self.header.emit(into: &$0, at: 3) }
        #expect(buffer == [0xff, 0xff, 0xff] + Self.vector + [0xff, 0xff, 0xff])
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.vector.count { #expect(EthernetFields(Array(Self.vector.prefix(count))) == nil) }
    }

    @Test func randomHeadersComeBack() {
        var random = Seeded(14)
        for _ in 0..<1_000 {
            let header = Ethernet(destination: random.macAddress(), source: random.macAddress(), type: random.value())
            #expect(EthernetFields(emitted(14) { header.emit(into: &$0, at: 0) }) == EthernetFields(header))
        }
    }

    @Test func typesHaveTheirRegisteredNumbers() {
        #expect([EtherType.ipv4, EtherType.ipv6, EtherType.vlan] == [0x0800, 0x86dd, 0x8100])
    }

    @Test func anEmitThatDoesNotFitTraps() async {
        await #expect(processExitsWith: .failure) { _ = emitted(13) { EthernetTests.header.emit(into: &$0, at: 0) } }
    }
}

@Suite struct OctetsTests {
    static let octets = hex("00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee f0 1f")

    @Test func fieldsAreReadInNetworkOrderAtAnyAlignment() {
        let span = unsafe Self.octets.span.bytes
        #expect(span.u8(at: 16) == 0x1f)
        #expect([span.u16(at: 2), span.u16(at: 3)] == [0x2233, 0x3344])
        #expect([span.u32(at: 4), span.u32(at: 5)] == [0x4455_6677, 0x5566_7788])
        #expect([span.u64(at: 1), span.u64(at: 8)] == [0x1122_3344_5566_7788, 0x8899_aabb_ccdd_eef0])
        #expect(span.ipv4Address(at: 7) == IPv4Address("119.136.153.170"))
        #expect(span.ipv6Address(at: 1) == IPv6Address("1122:3344:5566:7788:99aa:bbcc:ddee:f01f"))
        #expect(span.macAddress(at: 9) == MACAddress("99:aa:bb:cc:dd:ee"))
    }

    @Test func fieldsAreWrittenInNetworkOrderAtAnyAlignment() {
        let source = hex("c1 d2 e3")
        let buffer = emitted(50) {
            $0.setU8(0x12, at: 0)
            $0.setU16(0x3456, at: 1)
            $0.setU32(0x789a_bcde, at: 3)
            $0.setU64(0x0123_4567_89ab_cdef, at: 7)
            $0.setMACAddress(MACAddress(0x0213_2435_4657), at: 15)
            $0.setIPv4Address(IPv4Address(0x6879_8a9b), at: 21)
            $0.setIPv6Address(IPv6Address(high: 0x1122_3344_5566_7788, low: 0x99aa_bbcc_ddee_f01f), at: 25)
            unsafe $0.setOctets(source.span.bytes, at: 43)
        }
        #expect(
            buffer
                == hex(
                    """
                    12 3456 789abcde 0123456789abcdef 021324354657 68798a9b 112233445566778899aabbccddeef01f
                    ffff c1d2e3 ffffffff
                    """))
    }

    @Test func nothingCanBeReadOrWrittenOutside() async {
        await #expect(processExitsWith: .failure) { _ = unsafe OctetsTests.octets.span.bytes.u8(at: 17) }
        await #expect(processExitsWith: .failure) { _ = unsafe OctetsTests.octets.span.bytes.u64(at: 10) }
        await #expect(processExitsWith: .failure) { _ = unsafe OctetsTests.octets.span.bytes.u32(at: -1) }
        await #expect(processExitsWith: .failure) { _ = emitted(4) { $0.setU16(1, at: 3) } }
        await #expect(processExitsWith: .failure) {
            _ = emitted(16) { unsafe $0.setOctets(OctetsTests.octets.span.bytes, at: 0) }
        }
        await #expect(processExitsWith: .failure) {
            _ = emitted(64) { unsafe $0.setOctets(OctetsTests.octets.span.bytes, at: -1) }
        }
    }
}
