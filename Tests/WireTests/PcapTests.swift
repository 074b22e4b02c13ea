// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

private func parse(_ file: [UInt8]) throws(WireError) -> Pcap { try unsafe Pcap(file.span.bytes) }

/// The offset and reason of what is wrong with a file, nil when nothing is.
private func fault(_ file: [UInt8]) -> WireError? {
    do {
        _ = try parse(file)
        return nil
    } catch { return error }
}

/// A file as any writer may have written it.
private struct Writer {
    var isLittle: Bool
    var isNano: Bool
    var linkType: UInt32 = 1
    var captureLimit: UInt32 = 0x0004_0000

    func word(_ value: UInt32) -> [UInt8] {
        let octets = [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
        return isLittle ? octets.reversed() : octets
    }

    var fileHeader: [UInt8] {
        word(isNano ? 0xa1b2_3c4d : 0xa1b2_c3d4) + (isLittle ? [2, 0, 4, 0] : [0, 2, 0, 4]) + word(0) + word(0)
            + word(captureLimit) + word(linkType)
    }

    func packet(seconds: UInt32, fraction: UInt32, _ octets: [UInt8], length: Int? = nil, captured: UInt32? = nil)
        -> [UInt8]
    {
        word(seconds) + word(fraction) + word(captured ?? UInt32(octets.count)) + word(UInt32(length ?? octets.count))
            + octets
    }
}

@Suite struct PcapTests {
    static let capture = Pcap(packets: [
        Pcap.Packet(timestamp: 0x1234_5678 * 1_000_000_000 + 0x1a2b_3c4d, octets: hex("5e6f708192a3b4c5d6")),
        Pcap.Packet(timestamp: 0x7eef_0fab * 1_000_000_000 + 999_999_999, octets: []),
        Pcap.Packet(timestamp: 1, octets: hex("e7f8")),
    ])
    static let vector = hex(
        """
        a1b23c4d 0002 0004 00000000 00000000 00040000 00000001
        12345678 1a2b3c4d 00000009 00000009 5e6f708192a3b4c5d6
        7eef0fab 3b9ac9ff 00000000 00000000
        00000000 00000001 00000002 00000002 e7f8
        """)

    @Test func emitsTheVector() { #expect(Self.capture.emit() == Self.vector) }
    @Test func parsesTheVector() throws { #expect(try parse(Self.vector) == Self.capture) }

    @Test func aFileWithoutPacketsIsOne() throws {
        #expect(try parse(Pcap().emit()) == Pcap())
        #expect(Pcap().emit().count == 24)
    }

    @Test(arguments: [false, true], [false, true])
    func byteOrderAndResolutionComeFromTheMagic(isLittle: Bool, isNano: Bool) throws {
        let writer = Writer(isLittle: isLittle, isNano: isNano)
        let file =
            writer.fileHeader + writer.packet(seconds: 0x5152_5354, fraction: 123_456, [1, 2, 3])
            + writer.packet(seconds: .max, fraction: 999_999, [9], length: 1_500)
        let scale: UInt64 = isNano ? 1 : 1_000
        #expect(
            try parse(file)
                == Pcap(packets: [
                    Pcap.Packet(timestamp: 0x5152_5354 * 1_000_000_000 + 123_456 * scale, octets: [1, 2, 3]),
                    Pcap.Packet(timestamp: 0xffff_ffff * 1_000_000_000 + 999_999 * scale, octets: [9]),
                ]))
    }

    /// Cut at every octet: the error names the field that cannot be read, and a cut between packets is none.
    @Test(arguments: [false, true], [false, true])
    func everyTruncationIsToldWithItsPlace(isLittle: Bool, isNano: Bool) {
        let writer = Writer(isLittle: isLittle, isNano: isNano)
        var file = writer.fileHeader
        var begins: [Int] = []
        for count in [60, 1, 0, 17] {
            begins.append(file.count)
            file += writer.packet(seconds: 7, fraction: 8, [UInt8](repeating: 0x5e, count: count))
        }
        for count in 0...file.count {
            let found = fault(Array(file.prefix(count)))
            guard let begin = begins.last(where: { $0 <= count }) else {
                #expect(found == WireError(offset: count, reason: "the file header is cut short"))
                continue
            }
            let captured = count - begin >= 16 ? [60, 1, 0, 17][begins.firstIndex(of: begin)!] : 0
            switch count - begin {
            case 0: #expect(found == nil)
            case 1..<16: #expect(found == WireError(offset: begin, reason: "a packet header is cut short"))
            case ..<(16 + captured):
                #expect(found == WireError(offset: begin + 8, reason: "a packet of \(captured) octets is cut short"))
            default: #expect(found == nil)
            }
        }
    }

    @Test(arguments: [
        "0a0d0d0a", "a1b2c3d5", "d4c3b2a2", "a1b2cd34", "00000000", "ffffffff", "d4c3a1b2", "a1b2c34d",
    ])
    func otherFilesAreRefused(magic: String) {
        let file = hex(magic) + Self.vector.dropFirst(4)
        #expect(fault(file) == WireError(offset: 0, reason: "this is not a pcap file (pcapng is another format)"))
    }

    @Test(arguments: [false, true]) func otherLinkTypesAreRefused(isLittle: Bool) throws {
        for type: UInt32 in [0, 2, 101, 113, 0x0100, 0xffff] {
            let file = Writer(isLittle: isLittle, isNano: false, linkType: type).fileHeader
            #expect(fault(file) == WireError(offset: 20, reason: "the link type is not Ethernet"))
        }
        // The upper half says how long the frame check sequence is, if it is there.
        #expect(try parse(Writer(isLittle: isLittle, isNano: false, linkType: 0x5400_0001).fileHeader) == Pcap())
    }

    @Test(arguments: [false, true]) func aPacketIsAsLargeAsTheFormatAllows(isLittle: Bool) throws {
        let writer = Writer(isLittle: isLittle, isNano: true)
        let most = [UInt8](repeating: 0x5e, count: 262_144)
        let file = writer.fileHeader + writer.packet(seconds: 1, fraction: 2, most)
        #expect(try parse(file).packets.map(\.octets.count) == [262_144])
        let tooLarge = writer.fileHeader + writer.packet(seconds: 1, fraction: 2, most + [0x5e])
        #expect(
            fault(tooLarge) == WireError(offset: 32, reason: "a packet of 262145 octets is larger than a capture holds")
        )
        for captured in [UInt32.max, 0x8000_0000, 0x7fff_ffff, 262_145] {
            let file = writer.fileHeader + writer.packet(seconds: 1, fraction: 2, [1, 2, 3], captured: captured)
            #expect(fault(file)?.offset == 32)
        }
    }

    @Test func randomCapturesComeBack() throws {
        var random = Seeded(0xa1b2)
        for _ in 0..<200 {
            let capture = Pcap(
                packets: (0..<random.value(0...9)).map { _ in
                    Pcap.Packet(
                        timestamp: random.value(0...0xffff_ffff * 1_000_000_000 + 999_999_999),
                        octets: random.octets(0...120))
                })
            #expect(try parse(capture.emit()) == capture)
        }
    }

    @Test func hostileFilesNeverTrap() throws {
        var random = Seeded(0x9ca9)
        var (accepted, refused) = (0, 0)
        for round in 0..<30_000 {
            let writer = Writer(isLittle: round % 2 == 0, isNano: round % 3 == 0)
            var file = writer.fileHeader
            for _ in 0..<random.value(0...3) {
                file += writer.packet(seconds: random.value(), fraction: random.value(), random.octets(0...20))
            }
            for _ in 0..<random.value(0...2) { file[random.value(0...file.count - 1)] = random.value() }
            file.removeLast(random.value(0...3) == 0 ? random.value(0...file.count) : 0)
            if let fault = fault(file) {
                refused += 1
                try #require((0...file.count).contains(fault.offset))
            } else {
                accepted += 1
                let octets = try parse(file).packets.reduce(0) { $0 + 16 + $1.octets.count }
                try #require(24 + octets == file.count, "every octet of the file is accounted for")
            }
        }
        #expect(accepted > 3_000 && refused > 3_000)
    }

    @Test func errorsSayWhereAndWhy() {
        #expect(
            WireError(offset: 32, reason: "a packet header is cut short").description
                == "octet 32: a packet header is cut short")
    }
}
