// SPDX-License-Identifier: Apache-2.0
import Measurement
import SRv6

/// One moment on both clocks.
package struct Moment: Hashable, Sendable {
    package var wall: WallTime
    /// Since some moment in the past; never set.
    package var monotonic: Nanoseconds

    package init(wall: WallTime, monotonic: Nanoseconds) {
        self.wall = wall
        self.monotonic = monotonic
    }

    /// Changes when the wall clock is set.
    var offset: Nanoseconds { Nanoseconds(wall.nanoseconds - monotonic.count) }
}

/// Switches a meter's color at every block boundary and reads its flows half a block later.
///
/// Does what is due and says when to come again; who calls it, and by which clock, is not its business.
package struct ColorDriver {
    /// A wall clock that moves this far against the monotonic one between two calls was set, not slewed.
    static let step = Nanoseconds.milliseconds(5)

    private let meter: Meter
    private let clock: ColorClock
    /// Asked again around everything that takes time itself.
    private let time: () -> Moment
    private let report: (String) -> Void
    /// The block whose color is active.
    private var current: Int64?
    /// The block in which the flows were read last.
    private var read: Int64?
    private var offset: Nanoseconds?

    package init(
        meter: Meter, clock: ColorClock, time: @escaping () -> Moment, report: @escaping (String) -> Void
    ) {
        self.meter = meter
        self.clock = clock
        self.time = time
        self.report = report
    }

    /// Does what is due. `reading` is called around the reading of the flows, which may take a while.
    ///
    /// *Returns*: when there is something to do again, provided that the wall clock is not set.
    package mutating func tick(reading: (() -> Void) -> Void = { $0() }) -> Nanoseconds {
        let now = time()
        let present = clock.block(at: now.wall)
        if let offset, (now.offset - offset).magnitude >= Self.step {
            report("wall clock set by \(now.offset - offset): resuming with block \(present)")
            meter.clockStepped(to: present)
            read = nil
        }
        offset = now.offset
        if present != current, !isBeforeCurrent(now.wall) { activate(present) }
        let active = current ?? present
        let middle = clock.start(ofBlock: active) + clock.period / 2
        if now.wall >= middle, read != active {
            reading { meter.readFlows(time: { time().wall }) }
            read = active
        }
        let next = read == active ? clock.end(ofBlock: active) : middle
        return now.monotonic + max(Nanoseconds(0), next - now.wall)
    }

    /// Whether a small step has put the clock back over the boundary just passed: then the color stays, because the
    /// other one has been given up for good.
    private func isBeforeCurrent(_ time: WallTime) -> Bool {
        guard let current else { return false }
        let ahead = clock.start(ofBlock: current) - time
        return ahead.count > 0 && ahead <= clock.period / 4
    }

    /// Takes the time behind the switch: that is when packets carry the color for certain.
    private mutating func activate(_ block: Int64) {
        var after: WallTime?
        let inOrder = meter.switchColor(to: block, of: clock) {
            let now = time().wall
            after = now
            return now
        }
        if !inOrder, let after, let current {
            let late = after - clock.start(ofBlock: block)
            report(
                "color switched from block \(current) to block \(block), \(late.count / 1_000_000) ms into it: "
                    + "blocks up to \(block + 1) are incomplete")
        }
        current = block
    }
}
