// SPDX-License-Identifier: Apache-2.0
import Wire

/// A network state written down: one line a fact, in the words of iproute2. For replay, tests and measuring, where no
/// kernel is to be mirrored.
///
/// ```
/// link p0 mac 02:00:00:00:01:01 mtu 1500
/// address fd00:1::1/64 dev p0
/// neighbor fd00:1::2 lladdr 02:00:00:00:01:02 dev p0
/// route fd00:8::/64 via fd00:1::2 dev p0
/// route fd00:9::/64 encap seg6 mode encap segs fcff:2::1,fcff:8::100 dev p0
/// route fcff:1::100/128 encap seg6local action End.DT6 table 254 dev p0
/// blackhole fd00:bad::/64
/// tunsrc fcff:1::1
/// ```
///
/// Routes may carry `table N` (behind the destination's words) and `metric N`. `#` begins a comment.
public struct NetworkScript: Hashable, Sendable {
    public private(set) var changes: [NetworkChange] = []
    private var links: [String: Int] = [:]

    /// *Throws*: the first line that cannot be read, with its number.
    public init(_ text: String) throws(ConfigurationError) {
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let verb = words.first else { continue }
            var reader = WordReader(field: "line \(number + 1)", words: Array(words.dropFirst()))
            switch verb {
            case "link": try readLink(&reader)
            case "address": try readAddress(&reader)
            case "neighbor": try readNeighbor(&reader)
            case "route": try readRoute(&reader)
            case "blackhole": try readBlackhole(&reader)
            case "tunsrc": changes.append(.tunnelSource(try reader.next("an IPv6 address", IPv6Address.init)))
            default:
                throw ConfigurationError(
                    field: reader.field, found: verb, expected: "link, address, neighbor, route, blackhole or tunsrc")
            }
            try reader.end()
        }
    }

    private mutating func readLink(_ reader: inout WordReader) throws(ConfigurationError) {
        let name = try reader.next("a name") { $0 }
        // A second line about a link changes it.
        var link = Link(index: links[name] ?? links.count + 1, name: name, mac: MACAddress(0), mtu: 1500, isUp: true)
        while let word = reader.take() {
            switch word {
            case "mac": link.mac = try reader.next("a MAC address", MACAddress.init)
            case "mtu": link.mtu = try reader.next("a positive number") { Int($0).flatMap { $0 > 0 ? $0 : nil } }
            case "down": link.isUp = false
            default: throw reader.unexpected(word, "mac, mtu or down")
            }
        }
        links[name] = link.index
        changes.append(.link(link))
    }

    private mutating func readAddress(_ reader: inout WordReader) throws(ConfigurationError) {
        let text = try reader.next("an address with its prefix length") { $0 }
        // The prefix knows which lengths there are; the address keeps the bits that a prefix has not.
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])), let length = IPPrefix(text)?.length else {
            throw reader.unexpected(text, "an address with its prefix length")
        }
        try reader.word("dev")
        changes.append(
            .address(InterfaceAddress(linkIndex: try device(&reader), address: address, prefixLength: length)))
    }

    private mutating func readNeighbor(_ reader: inout WordReader) throws(ConfigurationError) {
        let address = try reader.next("an address", IPAddress.init)
        try reader.word("lladdr")
        let mac = try reader.next("a MAC address", MACAddress.init)
        try reader.word("dev")
        let key = Neighbor.Key(linkIndex: try device(&reader), address: address)
        changes.append(.neighbor(Neighbor(key: key, mac: mac)))
    }

    private mutating func readBlackhole(_ reader: inout WordReader) throws(ConfigurationError) {
        let prefix = try reader.next("a prefix", IPPrefix.init)
        let key = Route.Key(table: Route.mainTable, prefix: prefix, metric: 1024, linkIndex: 0)
        changes.append(.route(Route(key: key, kind: .blackhole, nextHops: [])))
    }

    private mutating func readRoute(_ reader: inout WordReader) throws(ConfigurationError) {
        let prefix = try reader.next("a prefix", IPPrefix.init)
        var hop = NextHop(linkIndex: 0)
        var table = Route.mainTable
        var metric: UInt32 = 1024
        while let word = reader.take() {
            switch word {
            case "via": hop.gateway = try reader.next("an address", IPAddress.init)
            case "dev": hop.linkIndex = try device(&reader)
            case "table": table = try reader.next("a number") { UInt32($0) }
            case "metric": metric = try reader.next("a number") { UInt32($0) }
            case "encap": hop.encapsulation = try readEncapsulation(&reader)
            default: throw reader.unexpected(word, "via, dev, table, metric or encap")
            }
        }
        let key = Route.Key(table: table, prefix: prefix, metric: metric, linkIndex: hop.linkIndex)
        changes.append(.route(Route(key: key, kind: .unicast, nextHops: [hop])))
    }

    private func readEncapsulation(_ reader: inout WordReader) throws(ConfigurationError) -> Encapsulation {
        switch try reader.next("seg6 or seg6local", { $0 }) {
        case "seg6":
            try reader.word("mode")
            let mode = try reader.next("a mode") { EncapsulationMode(rawValue: $0) }
            try reader.word("segs")
            let segments = try reader.next("1 to 16 SIDs separated by commas", SegmentList.init)
            return .seg6(Policy(segments: segments, mode: mode))
        case "seg6local":
            try reader.word("action")
            let behavior = try reader.next("a behavior") { name in Behavior.allCases.first { $0.name == name } }
            var localSID = LocalSID(behavior: behavior)
            switch behavior {
            case .endX, .endDX6:
                try reader.word("nh6")
                localSID.nextHop6 = try reader.next("an IPv6 address", IPv6Address.init)
            case .endDX4:
                try reader.word("nh4")
                localSID.nextHop4 = try reader.next("an IPv4 address", IPv4Address.init)
            case .endT, .endDT4, .endDT6, .endDT46:
                try reader.word("table")
                localSID.table = try reader.next("a number") { UInt32($0) }
            default: break
            }
            return .seg6local(localSID)
        case let other: throw reader.unexpected(other, "seg6 or seg6local")
        }
    }

    private func device(_ reader: inout WordReader) throws(ConfigurationError) -> Int {
        try reader.next("a link of this script") { links[$0] }
    }
}

/// The words of one line, read from left to right.
private struct WordReader {
    let field: String
    private var words: ArraySlice<String>

    init(field: String, words: [String]) {
        self.field = field
        self.words = words[...]
    }

    mutating func take() -> String? { words.popFirst() }

    mutating func next<Value>(
        _ expected: String, _ parse: (String) -> Value?
    ) throws(ConfigurationError) -> Value {
        guard let word = take() else { throw unexpected("the end of the line", expected) }
        guard let value = parse(word) else { throw unexpected(word, expected) }
        return value
    }

    mutating func word(_ expected: String) throws(ConfigurationError) {
        _ = try next(expected) { $0 == expected ? $0 : nil }
    }

    func unexpected(_ found: String, _ expected: String) -> ConfigurationError {
        ConfigurationError(field: field, found: found, expected: expected)
    }

    mutating func end() throws(ConfigurationError) {
        if let word = take() { throw unexpected(word, "the end of the line") }
    }
}
