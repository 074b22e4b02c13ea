// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct SRHTests {
    static let header = SRH(
        nextHeader: NextHeader.ipv6, segmentsLeft: 1, flags: 0x5a, tag: 0x7b8c,
        segments: [
            IPv6Address(high: 0xfc10_2132_4354_6576, low: 0x8798_a9ba_cbdc_edfe),
            IPv6Address(high: 0xfd1f_2e3d_4c5b_6a79, low: 0x8897_a6b5_c4d3_e2f1),
            IPv6Address(high: 0xfe0d_1c2b_3a49_5867, low: 0x7685_94a3_b2c1_d0ef),
        ])
    static let vector = hex(
        """
        29060401 025a7b8c
        fe0d1c2b3a495867768594a3b2c1d0ef
        fd1f2e3d4c5b6a798897a6b5c4d3e2f1
        fc102132435465768798a9bacbdcedfe
        """)

    @Test func parsesTheVector() {
        #expect(SRHFields(Self.vector) == SRHFields(Self.header))
    }

    @Test func emitsTheVectorAndNothingAround() {
        #expect(Self.header.byteCount == 56)
        let buffer = emitted(62) { Self.header.emit(into: &$0, at: 4) }
        #expect(buffer == [0xff, 0xff, 0xff, 0xff] + Self.vector + [0xff, 0xff])
    }

    @Test func everyTruncationIsRefused() {
        for count in 0..<Self.vector.count { #expect(SRHFields(Array(Self.vector.prefix(count))) == nil) }
    }

    @Test func octetsBehindTheHeaderAreLeftOut() {
        #expect(SRHFields(Self.vector + [1, 2, 3]) == SRHFields(Self.header))
    }

    @Test func otherRoutingTypesAreRefused() {
        for type in UInt8.min...UInt8.max {
            var octets = Self.vector
            octets[2] = type
            #expect((SRHFields(octets) != nil) == (type == 4), "routing type \(type)")
        }
    }

    /// RFC 8986 section 4.1, S08 and S09: the error is `Last Entry > max_LE or Segments Left > Last Entry + 1`,
    /// where max_LE is Hdr Ext Len / 2 - 1. Every length and Last Entry, every Segments Left around the edge.
    @Test func exactlyTheConsistentCountsAreAccepted() {
        var accepted = 0
        var wrong: [String] = []
        for length in 0...255 {
            for lastEntry in 0...255 {
                for segmentsLeft in Set([0, 1, lastEntry, lastEntry + 1, lastEntry + 2, 255]) where segmentsLeft <= 255
                {
                    let isValid = isAccepted(length, segmentsLeft, lastEntry)
                    let isConsistent = 8 + 16 * (lastEntry + 1) <= 8 + 8 * length && segmentsLeft <= lastEntry + 1
                    if isValid != isConsistent {
                        wrong.append("Hdr Ext Len \(length), Last Entry \(lastEntry), Segments Left \(segmentsLeft)")
                    }
                    accepted += isValid ? 1 : 0
                }
            }
        }
        #expect(wrong.prefix(5) == [])
        #expect(accepted > 30_000)
    }

    private func isAccepted(_ length: Int, _ segmentsLeft: Int, _ lastEntry: Int) -> Bool {
        var header = [UInt8](repeating: 0x5e, count: 8 + 8 * length)
        header[1] = UInt8(length)
        header[2] = 4
        header[3] = UInt8(segmentsLeft)
        header[4] = UInt8(lastEntry)
        return unsafe SRHView(header.span.bytes) != nil
    }

    /// RFC 8754 section 4.1.1: the first segment is missing and Segments Left points one past the last entry.
    @Test func aReducedHeaderIsAccepted() throws {
        let reduced = SRH(nextHeader: 41, segmentsLeft: 2, segments: Array(Self.header.segments.dropFirst()))
        let fields = try #require(SRHFields(emitted(40) { reduced.emit(into: &$0, at: 0) }))
        #expect(fields == SRHFields(reduced))
        #expect(fields.lastEntry == 1)
        #expect(fields.header.segmentsLeft == 2)
    }

    @Test(arguments: [1, 2, 16, 126, 127]) func anyNumberOfSegmentsComesBack(count: Int) {
        var random = Seeded(UInt64(count))
        for segmentsLeft in [0, 1, count - 1, count] {
            var header = random.srh(segmentCounts: count...count)
            header.segmentsLeft = UInt8(segmentsLeft)
            #expect(SRHFields(emitted(8 + 16 * count) { header.emit(into: &$0, at: 0) }) == SRHFields(header))
        }
    }

    @Test func randomHeadersComeBack() {
        var random = Seeded(8754)
        for _ in 0..<500 {
            let header = random.srh(segmentCounts: 1...20)
            #expect(SRHFields(emitted(header.byteCount) { header.emit(into: &$0, at: 0) }) == SRHFields(header))
        }
    }

    @Test func theLinuxHMACFlagIsBit3() { #expect(SRHView.hmacFlag == 0x08) }

    @Test func aListThatNoHeaderHoldsTraps() async {
        await #expect(processExitsWith: .failure) { _ = SRH(nextHeader: 41, segmentsLeft: 0, segments: []) }
        await #expect(processExitsWith: .failure) {
            _ = SRH(nextHeader: 41, segmentsLeft: 0, segments: Array(repeating: .unspecified, count: 128))
        }
        await #expect(processExitsWith: .failure) { _ = emitted(55) { SRHTests.header.emit(into: &$0, at: 0) } }
    }

    /// TLVs may follow: a segment behind Last Entry is not one.
    @Test func aSegmentBehindTheListTraps() async {
        await #expect(processExitsWith: .failure) {
            var octets = SRHTests.vector
            octets[4] = 1
            _ = unsafe SRHView(octets.span.bytes)?.segment(2)
        }
    }
}

@Suite struct SRHTLVTests {
    /// A header of one segment with the given octets behind it, padded to eight by nothing: the caller sees to that.
    private func header(_ tlvs: [UInt8]) -> [UInt8] {
        precondition(tlvs.count % 8 == 0)
        return [41, UInt8(2 + tlvs.count / 8), 4, 0, 0, 0, 0, 0] + [UInt8](repeating: 0x5e, count: 16) + tlvs
    }

    /// `seg6_validate_srh` of Linux from where the segment list ends.
    private func oracle(_ tlvs: [UInt8]) -> Bool {
        var trailing = tlvs[...]
        while !trailing.isEmpty {
            if trailing.count < 2 { return false }
            let length = 2 + Int(trailing[trailing.startIndex + 1])
            if length > trailing.count { return false }
            trailing = trailing.dropFirst(length)
        }
        return true
    }

    @Test(arguments: [
        ("", true), ("0406 000000000000", true), ("0405 0000000000 05", false), ("0407 000000000000", false),
        ("04ff 000000000000", false), ("0404 00000000 0400", true), ("0403 000000 0401 00", true),
        ("0404 00000000 0401", false),
        // Eight Pad1 (RFC 8754 section 2.1.1.1) look like four empty TLVs; seven and an octet do not come out even.
        ("0000000000000000", true), ("0405 0000000000 00", false), ("0e0e 0102030405060708090a0b0c0d0e", true),
        ("0e0f 0102030405060708090a0b0c0d0e", false), ("0000 0406 000000000000 0402 0000 0000", true),
    ])
    func TLVsEndWhereTheHeaderEnds(tlvs: String, areConsistent: Bool) throws {
        let octets = hex(tlvs)
        #expect(oracle(octets) == areConsistent)
        let fields = try #require(SRHFields(header(octets)))
        #expect(fields.areTLVsConsistent == areConsistent)
        #expect(fields.byteCount == 24 + octets.count)
        #expect(fields.segmentOctets == [UInt8](repeating: 0x5e, count: 16))
    }

    /// A value that reaches over the header's end is not saved by octets that follow the header.
    @Test func whatFollowsTheHeaderIsNoTLV() {
        let octets = header(hex("0407 000000000000"))
        #expect(SRHFields(octets + [0, 0, 0, 0])?.areTLVsConsistent == false)
    }

    @Test func randomTLVsAreJudgedAsLinuxJudgesThem() throws {
        var random = Seeded(6)
        var consistent = 0
        for _ in 0..<20_000 {
            var tlvs = random.octets(8 * random.value(0...8))
            for offset in tlvs.indices where random.value(0...3) > 0 { tlvs[offset] = random.value(0...6) }
            let fields = try #require(SRHFields(header(tlvs)))
            try #require(fields.areTLVsConsistent == oracle(tlvs), "\(tlvs)")
            consistent += fields.areTLVsConsistent ? 1 : 0
        }
        #expect((2_000...18_000).contains(consistent), "both answers occurred: \(consistent)")
    }

    /// Odd Hdr Ext Len: legal, because of TLVs (RFC 8754 section 2.1).
    @Test(arguments: [
        """
        290b0402 02000000 20010db8000300000000000000000100 20010db8000200000000000000000000
        20010db8000100000000000000000000 0526 0000 0000002a
        0c9ed2fa06b043290297095f438f6625780a738b8cc97f41ba8088e1f039af36
        """,
        """
        290b0402 02000000 20010db8000300000000000000000100 20010db8000200000000000000000000
        20010db8000100000000000000000000 0526 0000 0000002a
        ad49eee9dca83ed9cd884e911f3825d2991683eff264316c89e5ed5919da8b7d
        """,
    ])
    func headersWithAnHMACParse(text: String) throws {
        let octets = hex(text)
        let fields = try #require(SRHFields(octets))
        #expect(fields.byteCount == 96)
        #expect(fields.lastEntry == 2)
        #expect(fields.areTLVsConsistent)
        #expect(
            fields.header.segments.map(\.description) == ["2001:db8:1::", "2001:db8:2::", "2001:db8:3::100"],
            "the HMAC is not a segment")
        for count in 0..<octets.count { #expect(SRHFields(Array(octets.prefix(count))) == nil) }
    }
}
