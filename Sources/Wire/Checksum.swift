// SPDX-License-Identifier: Apache-2.0
/// The Internet checksum (RFC 1071): one's complement of the one's complement sum of 16-bit words.
public enum Checksum {
    /// The folded 16-bit sum of `octets` on top of `partial`, an odd last octet padded with zero.
    ///
    /// *Returns*: the sum, not complemented, so that sums of parts can be chained.
    /// *Cost*: linear, four octets a step.
    @inlinable
    public static func sum(_ octets: RawSpan, partial: UInt16 = 0) -> UInt16 {
        var total = UInt64(partial)
        var offset = 0
        let count = octets.byteCount
        while offset &+ 4 <= count {
            total &+= UInt64(octets.u32(at: offset))
            offset &+= 4
        }
        if offset &+ 2 <= count {
            total &+= UInt64(octets.u16(at: offset))
            offset &+= 2
        }
        if offset < count { total &+= UInt64(octets.u8(at: offset)) << 8 }
        return fold(total)
    }

    /// Folds a sum of words into 16 bits with end-around carry.
    @inlinable @inline(__always)
    public static func fold(_ total: UInt64) -> UInt16 {
        var sum = (total >> 32) &+ (total & 0xffff_ffff)
        sum = (sum >> 16) &+ (sum & 0xffff)
        sum = (sum >> 16) &+ (sum & 0xffff)
        sum = (sum >> 16) &+ (sum & 0xffff)
        return UInt16(truncatingIfNeeded: sum)
    }

    /// The checksum after one 16-bit word has changed (RFC 1624, equation 3).
    @inlinable @inline(__always)
    public static func updated(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
        ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
    }

    /// The sum of the IPv6 pseudo-header (RFC 8200 section 8.1).
    ///
    /// *Requires*: `destination` is the final one: the last segment where a routing header is still in use.
    public static func pseudoHeader(
        source: IPv6Address, destination: IPv6Address, length: Int, nextHeader: UInt8
    ) -> UInt16 {
        var total = UInt64(length) + UInt64(nextHeader)
        for half in [source.high, source.low, destination.high, destination.low] {
            total += (half >> 32) + (half & 0xffff_ffff)
        }
        return fold(total)
    }

    /// The sum of the IPv4 pseudo-header (RFC 768).
    public static func pseudoHeader(
        source: IPv4Address, destination: IPv4Address, length: Int, nextHeader: UInt8
    ) -> UInt16 {
        fold(UInt64(source.value) + UInt64(destination.value) + UInt64(length) + UInt64(nextHeader))
    }
}
