// SPDX-License-Identifier: Apache-2.0
import SRv6

/// What a flow carried in one period of the color clock.
public struct Block: Hashable, Sendable {
    public var flow: Flow
    /// See ``ColorClock/block(at:)``.
    public var number: Int64
    public var color: MarkColor
    public var count: PacketCount
    public var start: WallTime
    public var end: WallTime
    /// Whether the count is exact. Otherwise it is what was counted in the color since it was last read, and no basis
    /// for a loss.
    public var isComplete: Bool

    public init(
        flow: Flow, number: Int64, color: MarkColor, count: PacketCount, start: WallTime, end: WallTime,
        isComplete: Bool
    ) {
        self.flow = flow
        self.number = number
        self.color = color
        self.count = count
        self.start = start
        self.end = end
        self.isComplete = isComplete
    }
}

/// What was sent and did not arrive.
///
/// *RFC*: 9341 section 4.2.
public struct Loss: Hashable, Sendable {
    public var block: Int64
    /// Negative when more arrived than was sent: duplicates, or blocks that do not mean the same packets. Not clamped,
    /// because hiding it would hide that.
    public var packets: Int64
    public var octets: Int64
    /// What the sender counted.
    public var sent: PacketCount

    /// *Returns*: nil when the blocks are not comparable: of different number or color, or not both complete.
    public init?(sender: Block, receiver: Block) {
        guard sender.number == receiver.number, sender.color == receiver.color,
            sender.isComplete, receiver.isComplete
        else { return nil }
        block = sender.number
        sent = sender.count
        packets = Int64(bitPattern: sender.count.packets &- receiver.count.packets)
        octets = Int64(bitPattern: sender.count.octets &- receiver.count.octets)
    }

    /// Lost packets per packet sent, nil when none was sent.
    public var ratio: Double? { sent.packets == 0 ? nil : Double(packets) / Double(sent.packets) }
}
