// SPDX-License-Identifier: Apache-2.0
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1      RFC 8754 section 2
//    +---------------+---------------+---------------+---------------+
//    |  Next Header  |  Hdr Ext Len  | Routing Type 4| Segments Left |
//    +---------------+---------------+---------------+---------------+
//    |   Last Entry  |     Flags     |              Tag              |
//    +---------------+---------------+-------------------------------+
//    |             Segment List[0]: the last segment (16)            |
//    |                              ...                              |
//    |             Segment List[n-1]: the first segment (16)         |
//    |                     Type Length Value objects                 |
//    +---------------------------------------------------------------+

/// A segment routing header whose lengths have been checked.
public struct SRHView: ~Escapable {
    /// Octets before the segment list.
    public static let fixedByteCount = 8
    public static let routingType: UInt8 = 4
    /// The HMAC bit that Linux sets and expects in Flags.
    public static let hmacFlag: UInt8 = 0x08

    @usableFromInline let octets: RawSpan

    /// Checks the routing type, that the whole header is there, that the segment list fits into it and that
    /// Segments Left points into it.
    ///
    /// *RFC*: 8754 section 4.3.1.1 and 8986 section 4.1, S09: `Last Entry > max_LE` or
    /// `Segments Left > Last Entry + 1` is an error; one past the last entry is legal in a reduced header.
    /// *Returns*: nil when a check fails.
    @inlinable @inline(__always) @_lifetime(copy octets)
    public init?(_ octets: RawSpan) {
        guard octets.byteCount >= Self.fixedByteCount else { return nil }
        let length = 8 &+ 8 &* Int(octets.u8(at: 1))
        let lastEntry = Int(octets.u8(at: 4))
        guard length <= octets.byteCount, octets.u8(at: 2) == Self.routingType,
            lastEntry <= Int(octets.u8(at: 1)) / 2 &- 1, Int(octets.u8(at: 3)) <= lastEntry &+ 1
        else { return nil }
        self.octets = octets.extracting(0..<length)
    }

    @inlinable public var nextHeader: UInt8 { octets.u8(at: 0) }
    /// Octets of the header, TLVs included.
    @inlinable public var byteCount: Int { octets.byteCount }
    @inlinable public var segmentsLeft: Int { Int(octets.u8(at: 3)) }
    @inlinable public var lastEntry: Int { Int(octets.u8(at: 4)) }
    @inlinable public var flags: UInt8 { octets.u8(at: 5) }
    @inlinable public var tag: UInt16 { octets.u16(at: 6) }
    /// Segments in the list, 1 to 127.
    @inlinable public var segmentCount: Int { lastEntry &+ 1 }

    /// The segment at wire index `index`: 0 is the last of the path.
    ///
    /// *Requires*: `index` below `segmentCount`.
    @inlinable
    public func segment(_ index: Int) -> IPv6Address {
        precondition(index >= 0 && index < segmentCount, "segment index out of range")
        return octets.ipv6Address(at: Self.fixedByteCount &+ 16 &* index)
    }

    /// The octets of the segment list, in wire order.
    @inlinable public var segmentOctets: RawSpan {
        @_lifetime(copy self) get {
            octets.extracting(Self.fixedByteCount..<Self.fixedByteCount &+ 16 &* segmentCount)
        }
    }

    /// Whether the TLVs end where the header ends, as Linux checks them: every one is a type, a length and a value.
    ///
    /// Linux reads Pad1 as any other TLV, so a header padded with single zero octets can fail here.
    @inlinable public var areTLVsConsistent: Bool {
        var offset = Self.fixedByteCount &+ 16 &* segmentCount
        while offset < octets.byteCount {
            guard offset &+ 2 <= octets.byteCount else { return false }
            offset &+= 2 &+ Int(octets.u8(at: offset &+ 1))
        }
        return offset == octets.byteCount
    }
}

/// The fields of a segment routing header without TLVs.
public struct SRH: Hashable, Sendable {
    public var nextHeader: UInt8
    public var segmentsLeft: UInt8
    public var flags: UInt8
    public var tag: UInt16
    /// In travel order, the first hop first; reversed on the wire. 1 to 127 segments.
    public var segments: [IPv6Address]

    public init(nextHeader: UInt8, segmentsLeft: UInt8, flags: UInt8 = 0, tag: UInt16 = 0, segments: [IPv6Address]) {
        precondition(!segments.isEmpty && segments.count <= 127, "a segment routing header holds 1 to 127 segments")
        self.nextHeader = nextHeader
        self.segmentsLeft = segmentsLeft
        self.flags = flags
        self.tag = tag
        self.segments = segments
    }

    public init(_ view: borrowing SRHView) {
        var segments: [IPv6Address] = []
        for index in stride(from: view.lastEntry, through: 0, by: -1) { segments.append(view.segment(index)) }
        self.init(
            nextHeader: view.nextHeader, segmentsLeft: UInt8(view.segmentsLeft), flags: view.flags, tag: view.tag,
            segments: segments)
    }

    /// Octets that `emit` writes.
    public var byteCount: Int { SRHView.fixedByteCount + 16 * segments.count }

    /// Writes `byteCount` octets at `offset`. Traps when they do not fit.
    public func emit(into buffer: inout MutableRawSpan, at offset: Int) {
        buffer.setU8(nextHeader, at: offset)
        buffer.setU8(UInt8(2 * segments.count), at: offset + 1)
        buffer.setU8(SRHView.routingType, at: offset + 2)
        buffer.setU8(segmentsLeft, at: offset + 3)
        buffer.setU8(UInt8(segments.count - 1), at: offset + 4)
        buffer.setU8(flags, at: offset + 5)
        buffer.setU16(tag, at: offset + 6)
        for (index, segment) in segments.reversed().enumerated() {
            buffer.setIPv6Address(segment, at: offset + SRHView.fixedByteCount + 16 * index)
        }
    }
}
