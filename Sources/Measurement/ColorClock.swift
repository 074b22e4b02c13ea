// SPDX-License-Identifier: Apache-2.0
import SRv6

/// Divides wall-clock time into blocks of one color each. Nodes agree on block and color because their clocks do.
///
/// *RFC*: 9341 sections 4.2, 4.3 and 5, the method of the fixed timer.
public struct ColorClock: Hashable, Sendable {
    /// Length of a block.
    public let period: Nanoseconds

    /// *Requires*: a period of at least 4 ns, so that its quarters are whole.
    public init(period: Nanoseconds) {
        precondition(period.count >= 4, "period too short")
        self.period = period
    }

    /// Number of the block in which a moment lies: floor(time / period).
    public func block(at time: WallTime) -> Int64 { time.nanoseconds.flooredQuotient(by: period.count).quotient }

    /// Even blocks are A, odd blocks are B.
    public func color(ofBlock number: Int64) -> MarkColor { number & 1 == 0 ? .a : .b }

    /// The color that monitored packets carry at a moment.
    public func color(at time: WallTime) -> MarkColor { color(ofBlock: block(at: time)) }

    /// The first moment of a block.
    public func start(ofBlock number: Int64) -> WallTime { WallTime(nanoseconds: number * period.count) }

    /// The first moment behind a block.
    public func end(ofBlock number: Int64) -> WallTime { start(ofBlock: number + 1) }

    /// The first boundary behind a moment; a moment on a boundary belongs to the block that begins there.
    public func nextSwitch(after time: WallTime) -> WallTime { end(ofBlock: block(at: time)) }

    /// When to read the counters of a block's color: half a period after its end, as far from the color's last packets
    /// as from its next ones.
    public func readingTime(ofBlock number: Int64) -> WallTime { end(ofBlock: number) + period / 2 }

    /// The block whose color can be read at a moment, nil when the moment is nearer to a switch than a quarter of a
    /// period: then packets of the color may be under way.
    public func readableBlock(at time: WallTime) -> Int64? {
        let current = block(at: time)
        let distance = time - (start(ofBlock: current) + period / 2)
        return distance.magnitude <= period / 4 ? current - 1 : nil
    }
}
