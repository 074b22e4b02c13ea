// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6
import Synchronization

/// One flow in one color block, from both edges and from the dropper.
public struct BlockRow: Hashable, Sendable {
    public var block: Int
    public var sent: PacketCount
    public var received: PacketCount
    /// What passed the dropper's eyes, and what it took.
    public var seen: PacketCount
    public var dropped: PacketCount

    /// Packets that the edges miss: the measurement. Negative when more arrived than left.
    public var measuredLoss: Int { Int(sent.packets) - Int(received.packets) }
    /// Packets that the dropper has taken: the truth.
    public var knownLoss: Int { Int(dropped.packets) }
    public var isExact: Bool {
        measuredLoss == knownLoss && sent.octets &- received.octets == dropped.octets
    }
}

/// Block number *n* covers the wall clock from *n* to *n* + 1 seconds; even blocks are A, odd ones B.
public let blockPeriod = 1.0

/// Reads the dropper's counters as the edges read theirs: the color of a block half a period after its end, less what
/// the same color showed one turn earlier.
public final class TruthReader: Sendable {
    private struct Contents {
        var isStopped = false
        var failure: LabError?
        /// Cumulative counters by block number; nil entries of `late` blocks are missing.
        var readings: [Int: [FlowKey: Impairment.Counts]] = [:]
    }
    private let contents = Mutex(Contents())

    public init(_ impairment: Impairment, keys: [FlowKey]) {
        let thread = startThread { [self] in
            var block = Int(wallClock() / blockPeriod)
            while !contents.withLock({ $0.isStopped }) {
                let due = (Double(block) + 1.5) * blockPeriod
                sleep(untilWallClock: due)
                do throws(LabError) {
                    var reading: [FlowKey: Impairment.Counts] = [:]
                    for key in keys { reading[key] = try impairment.counts(of: key) }
                    // Later than this the color may be in use again.
                    let isInTime = wallClock() < due + 0.4 * blockPeriod
                    contents.withLock { if isInTime { $0.readings[block] = reading } }
                } catch {
                    contents.withLock { $0.failure = error }
                    return
                }
                block += 1
            }
        }
        pthread_detach(thread)
    }

    /// Ends the reading.
    public func stop() { contents.withLock { $0.isStopped = true } }

    /// What the dropper saw and took of a flow in a block, nil when it was not read, or not in time.
    public func counts(of key: FlowKey, in block: Int) throws(LabError) -> (seen: PacketCount, dropped: PacketCount)? {
        let (failure, now, before) = contents.withLock { ($0.failure, $0.readings[block], $0.readings[block - 2]) }
        if let failure { throw failure }
        guard let now = now?[key], let before = before?[key] else { return nil }
        let color: MarkColor = block & 1 == 0 ? .a : .b
        return (now.seen[color] - before.seen[color], now.dropped[color] - before.dropped[color])
    }
}

/// Brings together, per flow and block, what the two edges and the dropper say.
public struct Ledger: Sendable {
    private struct Key: Hashable {
        var flow: Flow
        var block: Int
    }

    public let chain: Chain
    private let truth: TruthReader
    private var records: [String: [Key: BlockRecord]] = [:]

    public init(_ chain: Chain, truth: TruthReader) {
        self.chain = chain
        self.truth = truth
    }

    /// Takes in what a daemon has closed.
    public mutating func read(_ daemon: Daemon) throws(LabError) {
        for record in try daemon.blocks() {
            let key = Key(flow: Flow(policy: record.policy, direction: record.direction), block: record.block)
            records[daemon.node.node, default: [:]][key] = record
        }
    }

    /// A flow in a block, nil as long as one of the three has not spoken.
    public func row(_ flow: Chain.Flow, _ block: Int) throws(LabError) -> BlockRow? {
        let (sender, receiver) = flow.pair.isForward ? (chain.r1, chain.r3) : (chain.r3, chain.r1)
        func record(_ edge: Namespace, _ direction: FlowDirection) -> BlockRecord? {
            records[edge.node]?[Key(flow: Flow(policy: flow.policy, direction: direction), block: block)]
        }
        guard let sent = record(sender, .egress), let received = record(receiver, .ingress), sent.isComplete,
            received.isComplete, let truth = try truth.counts(of: flow.key, in: block)
        else { return nil }
        return BlockRow(
            block: block, sent: sent.count, received: received.count, seen: truth.seen, dropped: truth.dropped)
    }
}
