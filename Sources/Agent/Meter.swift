// SPDX-License-Identifier: Apache-2.0
import Measurement
import SRv6
import Synchronization

/// The flows of a router, their color and their blocks, for whoever speaks to the operator.
///
/// Calls may wait for the data plane and belong on a thread that may.
package final class Meter: Sendable {
    /// Why a stream of blocks ended.
    package enum WatchEnd: Error, Hashable, Sendable {
        /// The reader left more readings waiting than are kept for it.
        case tooSlow
        /// The router ends.
        case closing
    }

    /// Blocks that closed together. A reader may fall behind by 16 periods.
    package typealias Watch = AsyncThrowingStream<[Block], any Error>

    private struct State {
        /// Nil without a color clock.
        var recorder: BlockRecorder?
        var watches: [UInt64: Watch.Continuation] = [:]
        var nextWatch: UInt64 = 0
        var isClosing = false
    }

    package let router: any RouterState
    /// Nil when the color is switched by hand.
    package let clock: ColorClock?
    /// Also makes a flow's change and a reading wait for each other: a counter that began again between the two could
    /// not be told from one that grew.
    private let state: Mutex<State>

    package init(router: any RouterState, clock: ColorClock?) {
        self.router = router
        self.clock = clock
        // 256 MiB of blocks at most.
        let kept = max(2, min(128, 8_388_608 / max(1, router.capabilities.maximumFlows)))
        state = Mutex(State(recorder: clock.map { BlockRecorder(clock: $0, keptBlockCount: kept) }))
    }

    /// Begins to count a flow; its first block is the next whole one.
    package func addFlow(_ flow: Flow) throws(FlowError) {
        try state.withLock { (state) throws(FlowError) in
            try router.addFlow(flow)
            state.recorder?.forget(flow)
        }
    }

    /// Ends the counting of a flow and forgets its blocks.
    package func removeFlow(_ flow: Flow) throws(FlowError) {
        try state.withLock { (state) throws(FlowError) in
            try router.removeFlow(flow)
            state.recorder?.forget(flow)
        }
    }

    /// The kept blocks of one flow, or of all.
    ///
    /// *Throws*: when the flow is not monitored; a monitored one without blocks has none.
    package func blocks(of flow: Flow? = nil) throws(FlowError) -> [Block] {
        if let flow { _ = try router.reading(of: flow) }
        return state.withLock { state in
            guard let recorder = state.recorder else { return [] }
            return flow.map(recorder.blocks(of:)) ?? recorder.blocks()
        }
    }

    /// Begins to mark with the color of a block.
    ///
    /// *Returns*: whether the switch was in order, see ``BlockRecorder/switched(to:at:)``.
    package func switchColor(to block: Int64, of clock: ColorClock, time: () -> WallTime) -> Bool {
        // Without the lock: a color does not wait for an operator.
        router.setActiveColor(clock.color(ofBlock: block))
        let now = time()
        return state.withLock { $0.recorder?.switched(to: block, at: now) ?? true }
    }

    /// Notes that the wall clock was set, see ``BlockRecorder/clockStepped(to:)``.
    package func clockStepped(to block: Int64) { state.withLock { $0.recorder?.clockStepped(to: block) } }

    /// Reads all flows, closes their blocks and hands them to those who watch.
    package func readFlows(time: () -> WallTime) {
        let slow = state.withLock { state in
            let begin = time()
            let readings = router.readings()
            let closed = state.recorder?.record(readings, from: begin, to: time()) ?? []
            guard !closed.isEmpty else { return [Watch.Continuation]() }
            return state.watches.values.filter { watch in
                if case .dropped = watch.yield(closed) { true } else { false }
            }
        }
        // Behind the lock, which their end takes.
        for watch in slow { watch.finish(throwing: WatchEnd.tooSlow) }
    }

    /// *Returns*: false, without effect, when a color clock switches the color.
    package func setColor(_ color: MarkColor) -> Bool {
        guard clock == nil else { return false }
        router.setActiveColor(color)
        return true
    }

    /// Blocks as they close, after those that are kept when `includeKept` is set. Ends with a ``WatchEnd``.
    package func watch(includeKept: Bool) -> Watch {
        let (stream, continuation) = Watch.makeStream(bufferingPolicy: .bufferingOldest(16))
        let number: UInt64? = state.withLock { state in
            guard !state.isClosing else { return nil }
            if includeKept, let kept = state.recorder?.blocks(), !kept.isEmpty { continuation.yield(kept) }
            state.nextWatch += 1
            state.watches[state.nextWatch] = continuation
            return state.nextWatch
        }
        guard let number else {
            continuation.finish(throwing: WatchEnd.closing)
            return stream
        }
        continuation.onTermination = { [weak self] _ in self?.endWatch(number) }
        return stream
    }

    /// Ends all streams of blocks, and those to come.
    package func close() {
        let watches = state.withLock { state in
            state.isClosing = true
            defer { state.watches = [:] }
            return state.watches
        }
        for watch in watches.values { watch.finish(throwing: WatchEnd.closing) }
    }

    private func endWatch(_ number: UInt64) { state.withLock { $0.watches[number] = nil } }
}
