// SPDX-License-Identifier: Apache-2.0
/// The alternate-marking color of a packet (RFC 9341); not the color of an SR policy (RFC 9256).
@frozen
public enum MarkColor: UInt8, Hashable, Sendable, CaseIterable, BitwiseCopyable {
    case a = 0
    case b = 1

    /// The other color.
    public var other: MarkColor { self == .a ? .b : .a }
}

/// Where the mark stands in the traffic class of the outer header, and its two values.
public struct MarkingScheme: Hashable, Sendable {
    /// Bits of the traffic class that belong to the mark.
    public let mask: UInt8
    /// Value under the mask of color A.
    public let a: UInt8
    /// Value under the mask of color B.
    public let b: UInt8

    /// The low two bits of the DSCP: A is `xxxx01`, B is `xxxx11`, both in the pools that RFC 2474 section 6
    /// leaves to experimental and local use. ECN is untouched.
    public static let dscp = MarkingScheme(mask: 0x0c, a: 0x04, b: 0x0c)!
    /// The two low bits of the traffic class, as the published SRv6-PM back ends have them; collides with ECN.
    public static let ecn = MarkingScheme(mask: 0x03, a: 0x01, b: 0x02)!

    /// *Returns*: nil when a value lies outside the mask, is zero (zero means unmarked) or equals the other.
    public init?(mask: UInt8, a: UInt8, b: UInt8) {
        guard a & ~mask == 0, b & ~mask == 0, a != 0, b != 0, a != b else { return nil }
        self.mask = mask
        self.a = a
        self.b = b
    }

    /// The value of a color under the mask.
    public func value(of color: MarkColor) -> UInt8 { color == .a ? a : b }

    /// The color of a traffic class, nil when it carries no mark.
    public func color(of trafficClass: UInt8) -> MarkColor? {
        switch trafficClass & mask {
        case a: .a
        case b: .b
        default: nil
        }
    }
}
