// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Wire

/// A header of a specimen, outermost first.
private enum Header {
    case ethernet(Ethernet)
    case ipv4(IPv4)
    case ipv6(IPv6)
    /// Destination options: type of the next header, octets.
    case options(next: UInt8, byteCount: Int)
    case srh(SRH)
    case udp(UDP, length: Int)

    /// The line that the Scapy script prints for it.
    var line: String {
        switch self {
        case .ethernet(let it): "ethernet \(it.destination) \(it.source) \(it.type)"
        case .ipv4(let it):
            """
            ipv4 \(it.typeOfService) \(20 + it.payloadLength) \(it.identification) \(it.dontFragment ? "DF" : "") \
            \(it.timeToLive) \(it.nextHeader) \(it.source) \(it.destination)
            """
        case .ipv6(let it):
            """
            ipv6 \(it.trafficClass) \(it.flowLabel) \(it.payloadLength) \(it.nextHeader) \(it.hopLimit) \
            \(it.source) \(it.destination)
            """
        case .options(let next, let byteCount): "options \(next) \(byteCount)"
        case .srh(let it):
            """
            srh \(it.nextHeader) \(2 * it.segments.count) \(it.segmentsLeft) \(it.segments.count - 1) \(it.flags) \(it.tag) \
            \(it.segments.reversed().map(\.description).joined(separator: ","))
            """
        case .udp(let it, let length): "udp \(it.sourcePort) \(it.destinationPort) \(length)"
        }
    }

    /// The fields that tshark prints for it.
    var fields: KeyValuePairs<String, String> {
        switch self {
        case .ethernet(let it):
            ["eth.dst": "\(it.destination)", "eth.src": "\(it.source)", "eth.type": word(UInt32(it.type), 4)]
        case .ipv4(let it):
            [
                "ip.dsfield": word(UInt32(it.typeOfService), 2), "ip.len": "\(20 + it.payloadLength)",
                "ip.id": word(UInt32(it.identification), 4), "ip.flags.df": it.dontFragment ? "1" : "0",
                "ip.ttl": "\(it.timeToLive)", "ip.proto": "\(it.nextHeader)", "ip.src": "\(it.source)",
                "ip.dst": "\(it.destination)", "ip.checksum.status": "1",
            ]
        case .ipv6(let it):
            [
                "ipv6.tclass": word(UInt32(it.trafficClass), 8), "ipv6.flow": word(it.flowLabel, 6),
                "ipv6.plen": "\(it.payloadLength)", "ipv6.nxt": "\(it.nextHeader)", "ipv6.hlim": "\(it.hopLimit)",
                "ipv6.src": "\(it.source)", "ipv6.dst": "\(it.destination)",
            ]
        case .options(let next, let byteCount):
            ["ipv6.dstopts.nxt": "\(next)", "ipv6.dstopts.len_oct": "\(byteCount)"]
        case .srh(let it):
            [
                "ipv6.routing.nxt": "\(it.nextHeader)", "ipv6.routing.len_oct": "\(8 + 16 * it.segments.count)",
                "ipv6.routing.type": "4", "ipv6.routing.segleft": "\(it.segmentsLeft)",
                "ipv6.routing.srh.last_entry": "\(it.segments.count - 1)",
                "ipv6.routing.srh.flags": word(UInt32(it.flags), 2),
                "ipv6.routing.srh.tag": String(word(UInt32(it.tag), 4).dropFirst(2)),
                "ipv6.routing.srh.addr": it.segments.reversed().map(\.description).joined(separator: ","),
            ]
        case .udp(let it, let length):
            [
                "udp.srcport": "\(it.sourcePort)", "udp.dstport": "\(it.destinationPort)", "udp.length": "\(length)",
                "udp.checksum.status": "1",
            ]
        }
    }

    private func word(_ value: UInt32, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

/// A packet that `Wire` has written, with the headers that were given to it.
private struct Specimen {
    var headers: [Header] = []
    var frame: Pcap.Packet

    /// Ethernet, an outer IPv6 header with or without options and SRH, and a datagram in it, in IPv6 or in IPv4.
    init(_ index: Int, _ random: inout Seeded) {
        // A text that no dissector takes for its protocol, as it might take random octets.
        let payload = (1...random.value(1...60)).map { UInt8(ascii: "a") + UInt8($0 % 26) }
        let udp = UDP(sourcePort: random.value(49_152...65_535), destinationPort: random.value(49_152...65_535))
        let source = IPv6Address(high: 0xfd00_0000_0000_0000 | random.value(0...0xffff_ffff), low: random.value())
        let segments = (0..<1 + index % 16).map { _ in
            IPv6Address(high: 0xfcff_0000_0000_0000 | random.value(0...0xffff_ffff), low: random.value())
        }
        let inside = [NextHeader.udp, NextHeader.ipv6, NextHeader.ipv4][index % 3]
        // One past the last entry is a reduced header as its headend sends it.
        let srh = SRH(
            nextHeader: inside, segmentsLeft: UInt8(index / 3 % (segments.count + 1)), flags: random.value(),
            tag: random.value(),
            segments: segments)
        let isReduced = Int(srh.segmentsLeft) == segments.count
        let hasSRH = index % 7 != 0
        let hasOptions = index % 5 == 0
        let active = isReduced || !hasSRH ? random.ipv6Address().unicast : segments.reversed()[Int(srh.segmentsLeft)]
        let last = hasSRH && srh.segmentsLeft > 0 ? segments[segments.count - 1] : active

        let ethernet = Ethernet(
            destination: random.macAddress(), source: MACAddress(0x0200_0000_0000 | random.value(0...0xffff_ffff)),
            type: EtherType.ipv6)
        let optionsAt = 14 + 40
        let srhAt = optionsAt + (hasOptions ? 8 : 0)
        let innerAt = srhAt + (hasSRH ? srh.byteCount : 0)
        let udpAt = innerAt + (inside == NextHeader.udp ? 0 : inside == NextHeader.ipv6 ? 40 : 20)
        let length = 8 + payload.count
        let behindOptions = hasSRH ? NextHeader.routing : inside
        let outer = IPv6(
            trafficClass: random.value(), flowLabel: random.value(0...0xfffff),
            payloadLength: UInt16(udpAt + length - optionsAt),
            nextHeader: hasOptions ? NextHeader.destinationOptions : behindOptions, hopLimit: random.value(1...255),
            source: source, destination: active)
        let inner6 = IPv6(
            trafficClass: random.value(), flowLabel: random.value(0...0xfffff), payloadLength: UInt16(length),
            nextHeader: NextHeader.udp, hopLimit: random.value(1...255), source: random.ipv6Address().unicast,
            destination: random.ipv6Address().unicast)
        let inner4 = IPv4(
            typeOfService: random.value(), payloadLength: length, identification: random.value(),
            dontFragment: index % 2 == 0, timeToLive: random.value(9...255), nextHeader: NextHeader.udp,
            source: IPv4Address(0x0a00_0000 | random.value(0...0xff_ffff)),
            destination: IPv4Address(0x0a00_0000 | random.value(0...0xff_ffff)))
        let pseudoHeader =
            switch inside {
            case NextHeader.ipv6:
                Checksum.pseudoHeader(
                    source: inner6.source, destination: inner6.destination, length: length, nextHeader: NextHeader.udp)
            case NextHeader.ipv4:
                Checksum.pseudoHeader(
                    source: inner4.source, destination: inner4.destination, length: length, nextHeader: NextHeader.udp)
            default:
                Checksum.pseudoHeader(source: source, destination: last, length: length, nextHeader: NextHeader.udp)
            }

        let octets = emitted(udpAt + length) {
            ethernet.emit(into: &$0, at: 0)
            outer.emit(into: &$0, at: 14)
            if hasOptions { $0.setU64(UInt64(behindOptions) << 56 | 0x0104_0000_0000, at: optionsAt) }
            if hasSRH { srh.emit(into: &$0, at: srhAt) }
            if inside == NextHeader.ipv6 { inner6.emit(into: &$0, at: innerAt) }
            if inside == NextHeader.ipv4 { inner4.emit(into: &$0, at: innerAt) }
            unsafe $0.setOctets(payload.span.bytes, at: udpAt + 8)
            udp.emit(into: &$0, at: udpAt, payloadLength: payload.count, pseudoHeader: pseudoHeader)
        }
        frame = Pcap.Packet(timestamp: 1_700_000_000_012_345_678 + UInt64(index) * 1_000_000_007, octets: octets)
        headers = [.ethernet(ethernet), .ipv6(outer)]
        if hasOptions { headers.append(.options(next: behindOptions, byteCount: 8)) }
        if hasSRH { headers.append(.srh(srh)) }
        if inside == NextHeader.ipv6 { headers.append(.ipv6(inner6)) }
        if inside == NextHeader.ipv4 { headers.append(.ipv4(inner4)) }
        headers.append(.udp(udp, length: length))
    }

    var time: String {
        let fraction = String(frame.timestamp % 1_000_000_000)
        return "\(frame.timestamp / 1_000_000_000)." + String(repeating: "0", count: 9 - fraction.count) + fraction
    }
}

extension IPv6Address {
    /// Some address below 2000::/3.
    fileprivate var unicast: IPv6Address { IPv6Address(high: high & ~0 >> 3 | 0x2000_0000_0000_0000, low: low) }
}

/// A tool that reads a capture.
private struct Reader {
    let path: String

    /// In continuous integration a missing tool is a failure, elsewhere a reason to skip.
    var canRun: Bool {
        FileManager.default.isExecutableFile(atPath: path) || ProcessInfo.processInfo.environment["CI"] == "true"
    }

    /// What the tool prints about a capture, line by line. It is ended after a minute.
    ///
    /// - Parameter arguments: given the path of the file.
    func lines(about capture: Pcap, _ arguments: (String) -> [String]) throws -> [String] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wire-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (file, complaints) = (folder.appending(path: "capture.pcap"), folder.appending(path: "complaints"))
        try Data(capture.emit()).write(to: file)
        try Data().write(to: complaints)

        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
        process.arguments = ["60", path] + arguments(file.path)
        let output = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: complaints)
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let complaint = String(decoding: try Data(contentsOf: complaints), as: UTF8.self)
        try #require(process.terminationStatus == 0, "\(complaint)")
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}

private let python = Reader(path: "/usr/bin/python3")
private let tshark = Reader(path: "/usr/bin/tshark")
/// Whether the interpreter has Scapy, where the distribution's package puts it.
private let hasScapy =
    FileManager.default.fileExists(atPath: "/usr/lib/python3/dist-packages/scapy")
    || ProcessInfo.processInfo.environment["CI"] == "true"

/// What `Wire` writes, others read: the same fields, good checksums, nothing to complain about.
@Suite struct ForeignReaderTests {
    private static let specimens = {
        var random = Seeded(0xf04e)
        return (0..<210).map { Specimen($0, &random) }
    }()

    private static var capture: Pcap { Pcap(packets: specimens.map(\.frame)) }

    /// Both readers have to see every kind of packet that matters.
    @Test func theSpecimensAreOfEveryKind() {
        var kinds: [String: Int] = [:]
        for specimen in Self.specimens {
            var kind = ""
            for header in specimen.headers {
                switch header {
                case .ethernet: kind += "ethernet"
                case .ipv4: kind += " ipv4"
                case .ipv6: kind += " ipv6"
                case .options: kind += " options"
                case .udp: kind += " udp"
                case .srh(let srh):
                    let left = Int(srh.segmentsLeft)
                    kind += left == 0 ? " arrived" : left == srh.segments.count ? " reduced" : " srh"
                }
            }
            kinds[kind, default: 0] += 1
        }
        for options in ["", " options"] {
            for srh in ["", " arrived", " srh", " reduced"] {
                for inside in ["", " ipv4", " ipv6"] {
                    #expect(kinds["ethernet ipv6\(options)\(srh)\(inside) udp", default: 0] > 0, "\(kinds)")
                }
            }
        }
    }

    /// Prints every header's fields, then whether Scapy builds the same octets when it fills in lengths and checksums.
    private static let script = """
        import sys
        from scapy.layers.inet import IP, UDP
        from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrSegmentRouting
        from scapy.layers.l2 import Ether
        from scapy.utils import PcapReader

        def words(p):
            if isinstance(p, Ether): return ["ethernet", p.dst, p.src, p.type]
            if isinstance(p, IP): return ["ipv4", p.tos, p.len, p.id, p.flags, p.ttl, p.proto, p.src, p.dst]
            if isinstance(p, IPv6): return ["ipv6", p.tc, p.fl, p.plen, p.nh, p.hlim, p.src, p.dst]
            if isinstance(p, IPv6ExtHdrDestOpt): return ["options", p.nh, 8 * (p.len + 1)]
            if isinstance(p, IPv6ExtHdrSegmentRouting):
                flags = p.unused1 << 7 | p.protected << 6 | p.oam << 5 | p.alert << 4 | p.hmac << 3 | p.unused2
                return ["srh", p.nh, p.len, p.segleft, p.lastentry, flags, p.tag, ",".join(p.addresses)]
            if isinstance(p, UDP): return ["udp", p.sport, p.dport, p.len]
            return ["unknown", p.name]

        def headers(p):
            while p:
                yield p
                if isinstance(p, UDP): return
                p = p.payload

        for packet in PcapReader(sys.argv[1]):
            raw = bytes(packet)
            lines = [" ".join(map(str, words(header))) for header in headers(packet)]
            for header in headers(packet):
                for name in ("plen", "len", "chksum", "lastentry"):
                    if name in header.fields: header.delfieldval(name)
            print(packet.time, *lines, "same" if bytes(packet) == raw else "different", sep="|")
        """

    @Test(.enabled(if: python.canRun && hasScapy, "python3-scapy is not installed"), .timeLimit(.minutes(2)))
    func scapyReadsWhatWasWritten() throws {
        let lines = try python.lines(about: Self.capture) { ["-c", Self.script, $0] }
        let expected = Self.specimens.map { specimen in
            ([specimen.time] + specimen.headers.map(\.line) + ["same"]).joined(separator: "|")
        }
        try #require(lines.count == expected.count)
        for (line, expected) in zip(lines, expected) { #expect(line == expected) }
    }

    @Test(.enabled(if: tshark.canRun, "tshark is not installed"), .timeLimit(.minutes(2)))
    func tsharkReadsWhatWasWritten() throws {
        var rows: [[String: String]] = []
        for specimen in Self.specimens {
            // What is wrong with a packet stands in the last two.
            var row = ["frame.time_epoch": specimen.time, "_ws.expert.message": "", "_ws.malformed": ""]
            for (field, value) in specimen.headers.flatMap({ Array($0.fields) }) {
                row[field] = row[field].map { "\($0),\(value)" } ?? value
            }
            rows.append(row)
        }
        let fields = Set(rows.flatMap(\.keys)).sorted()
        let lines = try tshark.lines(about: Self.capture) { file in
            ["-n", "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
                + ["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"] + fields.flatMap { ["-e", $0] }
        }
        try #require(lines.count == rows.count)
        for (line, row) in zip(lines, rows) {
            let values = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            try #require(values.count == fields.count)
            for (field, value) in zip(fields, values) { #expect(value == row[field, default: ""], "\(field)") }
        }
    }
}
