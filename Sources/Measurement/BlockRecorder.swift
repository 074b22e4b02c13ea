// SPDX-License-Identifier: Apache-2.0
import SRv6

/// Cuts the cumulative counters of flows into color blocks.
///
/// A block is the difference of its color's counter between two readings, each taken half a period after the color
/// ceased, with one block of the color between them. It is complete only when nothing casts doubt on that: both
/// readings on time, the one between them taken too, every switch of this node on time, the counter never lower than
/// before. Doubt costs blocks, never exactness.
public struct BlockRecorder: Sendable {
    /// What the counters of a color were when a block of it was read.
    private struct Baseline {
        var block: Int64
        var count: PacketCount
    }

    /// A block without what the clock can tell: 64 thousand flows keep 128 of them each.
    private struct Closed {
        var number: Int64
        var count: PacketCount
        var isComplete: Bool
    }

    private struct History {
        var a: Baseline?
        var b: Baseline?
        var last: CounterSnapshot
        /// A ring once it is full: `oldest` is then where the next block goes.
        var closed: [Closed] = []
        var oldest = 0
        /// The call of `record` that saw the flow last.
        var seen: UInt64

        subscript(color: MarkColor) -> Baseline? {
            get { color == .a ? a : b }
            set { if color == .a { a = newValue } else { b = newValue } }
        }

        var inOrder: [Closed] { Array(closed[oldest...] + closed[..<oldest]) }
    }

    public let clock: ColorClock
    /// Blocks that are kept of each flow.
    public let keptBlockCount: Int

    private var histories: [Flow: History] = [:]
    /// Flows in the order of the last reading.
    private var order: [Flow] = []
    private var recordings: UInt64 = 0
    private var lastRead: Int64?
    private var lastSwitch: Int64?
    /// Baselines of earlier blocks are not to be trusted: something was out of order.
    private var trustedFrom = Int64.min

    /// *Requires*: at least one block to keep.
    public init(clock: ColorClock, keptBlockCount: Int = 128) {
        precondition(keptBlockCount > 0, "no blocks to keep")
        self.clock = clock
        self.keptBlockCount = keptBlockCount
    }

    /// Notes that this node has begun to mark with the color of a block.
    ///
    /// A switch later than a quarter of a period, or to any block but the next, spoils the block before, the block
    /// itself and, because the color before went on for whoever reads it, the next.
    ///
    /// *Returns*: whether the switch was in order.
    @discardableResult
    public mutating func switched(to block: Int64, at time: WallTime) -> Bool {
        let lateness = time - clock.start(ofBlock: block)
        let isOnTime = lateness.count >= 0 && lateness <= clock.period / 4
        defer { lastSwitch = block }
        guard let lastSwitch else {
            // To start late is no fault, but nobody knows in which color was marked until then.
            if !isOnTime { trustedFrom = block }
            return true
        }
        if isOnTime, block == lastSwitch + 1 { return true }
        if block > lastSwitch { trustedFrom = max(trustedFrom, block) } else { clockStepped(to: block) }
        return false
    }

    /// Notes that the wall clock was set, and the block that it shows now.
    ///
    /// That block and the next are spoiled; later ones that had been closed are forgotten.
    public mutating func clockStepped(to block: Int64) {
        trustedFrom = block
        lastRead = nil
        for flow in Array(histories.keys) {
            guard var history = histories.removeValue(forKey: flow) else { continue }
            // Their numbers mean other stretches of time than the same numbers do from here on.
            history.a = nil
            history.b = nil
            history.closed = history.inOrder.filter { $0.number < block }
            history.oldest = 0
            histories[flow] = history
        }
    }

    /// Takes the counters of all flows, read between two moments, and closes a block of each.
    ///
    /// Readings that did not fall into the middle half of a block, and further ones of the same block, are ignored.
    ///
    /// *Returns*: one block of every flow of which the color was read before; in the order of the readings.
    /// *Cost*: that of the readings, whatever is kept.
    public mutating func record(_ readings: [FlowReading], from begin: WallTime, to end: WallTime) -> [Block] {
        guard let block = clock.readableBlock(at: begin), clock.readableBlock(at: end) == block, block != lastRead
        else { return [] }
        if let lastRead, block > lastRead + 1 { trustedFrom = max(trustedFrom, block) }
        if let lastRead, block < lastRead { clockStepped(to: block) }
        lastRead = block
        recordings += 1
        order.removeAll(keepingCapacity: true)
        var closed: [Block] = []
        for reading in readings {
            order.append(reading.flow)
            if let new = close(block, of: reading) { closed.append(self.block(new, of: reading.flow)) }
        }
        if histories.count > readings.count {
            histories = histories.filter { $0.value.seen == recordings }
        }
        return closed
    }

    /// Forgets a flow that was removed or added: its counters begin again from zero.
    public mutating func forget(_ flow: Flow) {
        histories[flow] = nil
        order.removeAll { $0 == flow }
    }

    /// The blocks that are kept of a flow, the oldest first.
    public func blocks(of flow: Flow) -> [Block] {
        guard let history = histories[flow] else { return [] }
        return history.inOrder.map { block($0, of: flow) }
    }

    /// The blocks that are kept of all flows, flow by flow in the order of the last reading.
    public func blocks() -> [Block] { order.flatMap { blocks(of: $0) } }

    private mutating func close(_ block: Int64, of reading: FlowReading) -> Closed? {
        let color = clock.color(ofBlock: block)
        let now = reading.counters
        guard var history = histories.removeValue(forKey: reading.flow) else {
            var new = History(last: now, seen: recordings)
            new[color] = Baseline(block: block, count: now[color])
            histories[reading.flow] = new
            return nil
        }
        let restarted = !now.isAtLeast(history.last)
        let baseline = history[color]
        if restarted { history[color.other] = nil }
        history[color] = Baseline(block: block, count: now[color])
        history.last = now
        history.seen = recordings
        defer { histories[reading.flow] = history }
        guard let baseline else { return nil }
        let closed = Closed(
            number: block, count: restarted ? now[color] : now[color] - baseline.count,
            isComplete: !restarted && baseline.block == block - 2 && baseline.block >= trustedFrom)
        if history.closed.count < keptBlockCount {
            history.closed.append(closed)
        } else {
            history.closed[history.oldest] = closed
            history.oldest = (history.oldest + 1) % keptBlockCount
        }
        return closed
    }

    private func block(_ closed: Closed, of flow: Flow) -> Block {
        Block(
            flow: flow, number: closed.number, color: clock.color(ofBlock: closed.number), count: closed.count,
            start: clock.start(ofBlock: closed.number), end: clock.end(ofBlock: closed.number),
            isComplete: closed.isComplete)
    }
}

extension CounterSnapshot {
    /// Whether no counter is lower than in `earlier`.
    fileprivate func isAtLeast(_ earlier: CounterSnapshot) -> Bool {
        func grew(_ before: PacketCount, _ after: PacketCount) -> Bool {
            after.packets >= before.packets && after.octets >= before.octets
        }
        return grew(earlier.a, a) && grew(earlier.b, b) && grew(earlier.uncolored, uncolored)
    }
}
