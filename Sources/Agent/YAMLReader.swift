// SPDX-License-Identifier: Apache-2.0
import SRv6
import Yams

/// Everything that is wrong with a configuration.
package struct ConfigurationErrors: Error, Hashable, Sendable {
    package var list: [ConfigurationError]

    package init(_ list: [ConfigurationError]) { self.list = list }
}

/// Reads YAML nodes field by field and collects what is wrong instead of stopping at the first fault.
struct YAMLReader {
    /// A mapping with known keys.
    struct Section {
        /// Empty for the file itself.
        let path: String
        let nodes: [String: Node]

        func path(to key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    }

    private(set) var errors: [ConfigurationError] = []

    mutating func fail(_ field: String, found: String, expected: String) {
        errors.append(ConfigurationError(field: field, found: found, expected: expected))
    }

    /// A mapping that may have no other keys than `keys`.
    mutating func section(_ node: Node, at path: String, keys: [String]) -> Section? {
        guard case .mapping(let mapping) = node else {
            fail(path.isEmpty ? "configuration" : path, found: Self.show(node), expected: "a mapping")
            return nil
        }
        var section: [String: Node] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? Self.show(key)
            if keys.contains(name) {
                section[name] = value
            } else {
                let nearest = Self.nearest(to: name, among: keys).map { "\($0), or another of " } ?? "one of "
                fail(
                    path.isEmpty ? name : "\(path).\(name)", found: "an unknown key",
                    expected: nearest + keys.joined(separator: ", "))
            }
        }
        return Section(path: path, nodes: section)
    }

    mutating func section(_ parent: Section, _ key: String, keys: [String]) -> Section? {
        guard let node = parent.nodes[key] else { return nil }
        return section(node, at: parent.path(to: key), keys: keys)
    }

    /// The elements of a list, each with its path. Nil when there is none or it is something else.
    mutating func list(_ section: Section, _ key: String) -> [(path: String, node: Node)]? {
        guard let node = section.nodes[key] else { return nil }
        let path = section.path(to: key)
        guard case .sequence(let sequence) = node else {
            fail(path, found: Self.show(node), expected: "a list")
            return nil
        }
        return sequence.enumerated().map { ("\(path)[\($0)]", $1) }
    }

    /// A scalar as it is written.
    mutating func text(_ section: Section, _ key: String, expected: String) -> String? {
        guard let node = section.nodes[key] else { return nil }
        return text(node, at: section.path(to: key), expected: expected)
    }

    mutating func text(_ node: Node, at path: String, expected: String) -> String? {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            fail(path, found: Self.show(node), expected: expected)
            return nil
        }
        return scalar.string
    }

    /// A scalar that `parse` understands.
    mutating func value<Value>(
        _ section: Section, _ key: String, expected: String, _ parse: (String) -> Value?
    ) -> Value? {
        guard let node = section.nodes[key] else { return nil }
        return value(node, at: section.path(to: key), expected: expected, parse)
    }

    mutating func value<Value>(
        _ node: Node, at path: String, expected: String, _ parse: (String) -> Value?
    ) -> Value? {
        guard let text = text(node, at: path, expected: expected) else { return nil }
        guard let value = parse(text) else {
            fail(path, found: "\"\(text)\"", expected: expected)
            return nil
        }
        return value
    }

    /// A decimal or, with `0x`, hexadecimal number.
    mutating func integer(_ section: Section, _ key: String, in range: ClosedRange<Int>) -> Int? {
        value(section, key, expected: "a number from \(range.lowerBound) to \(range.upperBound)") {
            Self.integer($0, in: range)
        }
    }

    static func integer(_ text: String, in range: ClosedRange<Int>) -> Int? {
        let number = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)
        return number.flatMap { range.contains($0) ? $0 : nil }
    }

    /// One of the raw values of an enumeration.
    mutating func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ section: Section, _ key: String, _ type: Value.Type = Value.self
    ) -> Value? {
        let all = Value.allCases.map(\.rawValue)
        return value(section, key, expected: all.dropLast().joined(separator: ", ") + " or \(all.last ?? "")") {
            Value(rawValue: $0)
        }
    }

    /// Notes that a key is missing.
    mutating func require(_ section: Section, _ key: String, expected: String) {
        if section.nodes[key] == nil { fail(section.path(to: key), found: "nothing", expected: expected) }
    }

    /// A node as error messages show it.
    static func show(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string)\""
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }

    /// The key that was probably meant: at most a third of its letters differ.
    static func nearest(to name: String, among keys: [String]) -> String? {
        let ranked = keys.map { (key: $0, distance: distance($0, name)) }.min { $0.distance < $1.distance }
        guard let ranked, ranked.distance <= max(1, ranked.key.count / 3) else { return nil }
        return ranked.key
    }

    /// Letters to insert, delete or replace to turn one text into the other.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (right[column] == letter ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
