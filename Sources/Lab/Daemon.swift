// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
import SRv6

/// The path of one of the project's programs: in `SRV6PM_BIN`, or beside this executable, or above the bundle that
/// a test runs in.
public func program(_ name: String) throws(LabError) -> String {
    for path in programDirectories().map({ "\($0)/\(name)" }) where unsafe access(path, X_OK) == 0 { return path }
    throw .missing("the program \(name) is not there; tools/build makes it")
}

/// A closed color block of one flow as a node has counted it.
public struct BlockRecord: Hashable, Sendable {
    public var direction: FlowDirection
    public var policy: Policy
    public var block: Int
    public var color: MarkColor
    public var count: PacketCount
    /// Whether both of its ends were seen: not the first block, not read too late.
    public var isComplete: Bool
}

/// A running `srv6pmd`, asked through its socket by `srv6pm`.
public struct Daemon: Sendable {
    public let process: Child
    public let node: Namespace
    public let socket: String
    private let client: String

    /// Starts the daemon with a configuration, and waits until it answers.
    ///
    /// - Parameter configuration: receives the path of the socket, returns the text of the file.
    public init(
        on node: Namespace, in laboratory: Laboratory, configuration: (_ socket: String) -> String
    ) throws(LabError) {
        self.node = node
        client = try program("srv6pm")
        socket = "\(laboratory.directory)/\(node.node).sock"
        let file = try laboratory.write(configuration(socket), to: "\(node.node).yaml")
        process = try laboratory.start(
            [try program("srv6pmd"), "--config", file], as: "srv6pmd-\(node.node)", in: node)
        let process = process
        do {
            try wait(for: "srv6pmd on \(node.node) to answer", upTo: .seconds(20), every: .milliseconds(50)) {
                () throws(LabError) in
                if let status = process.status {
                    throw .command("srv6pmd on \(node.node)", status: status, output: process.output)
                }
                return exists(socket) && (try? show("ports")) != nil
            }
        } catch .timeout(let what) {
            throw .timeout("\(what); its log:\n\(process.output)")
        }
    }

    /// Runs `srv6pm` with arguments. *Returns*: its output.
    @discardableResult
    public func ask(_ arguments: [String]) throws(LabError) -> String {
        try check([client] + arguments + ["--socket", socket])
    }

    /// `srv6pm show` in words for people.
    public func show(_ what: String) throws(LabError) -> String { try ask(["show", what]) }

    /// `srv6pm show --json`, decoded.
    public func show<Value: Decodable>(_ what: String, as type: Value.Type) throws(LabError) -> Value {
        let text = try ask(["show", what, "--json"])
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw .command("srv6pm show \(what) --json", status: 0, output: "\(error)\n\(text)")
        }
    }

    /// The color blocks that the daemon has closed and keeps.
    public func blocks() throws(LabError) -> [BlockRecord] {
        try show("blocks", as: [BlockDocument].self).compactMap { document in
            guard let direction = FlowDirection(rawValue: document.direction),
                let segments = SegmentList(document.segments.joined(separator: ",")),
                let mode = EncapsulationMode(rawValue: document.mode)
            else { return nil }
            return BlockRecord(
                direction: direction, policy: Policy(segments: segments, mode: mode), block: document.block,
                color: document.block & 1 == 0 ? .a : .b,
                count: PacketCount(packets: document.packets, octets: document.octets),
                isComplete: document.complete)
        }
    }

    /// What all workers together have done with packets.
    public func totals() throws(LabError) -> PacketTotals {
        try show("workers", as: [PacketTotals].self).reduce(into: PacketTotals()) { sum, worker in
            sum.received += worker.received
            sum.transmitted += worker.transmitted
            sum.punted += worker.punted
            sum.dropped += worker.dropped
        }
    }
}

/// Packets by their end. When the workers rest, those received are the sum of the others.
public struct PacketTotals: Hashable, Sendable, Decodable {
    public var received = 0
    public var transmitted = 0
    public var punted = 0
    public var dropped = 0

    public var isBalanced: Bool { received == transmitted + punted + dropped }
}

/// An element of `srv6pm show blocks --json`.
private struct BlockDocument: Decodable {
    var direction: String
    var segments: [String]
    var mode: String
    var block: Int
    var packets: UInt64
    var octets: UInt64
    var complete: Bool
}
