// SPDX-License-Identifier: Apache-2.0
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1      RFC 791 section 3.1
//    +-------+-------+---------------+-------------------------------+
//    |Version|  IHL  |      TOS      |          Total Length         |
//    +-------+-------+---------------+-----+-------------------------+
//    |         Identification        |Flags|     Fragment Offset     |
//    +---------------+---------------+-----+-------------------------+
//    |      TTL      |    Protocol   |        Header Checksum        |
//    +---------------+---------------+-------------------------------+
//    |                         Source Address                        |
//    |                      Destination Address                      |
//    +---------------------------------------------------------------+

/// An IPv4 header and the packet it heads.
public struct IPv4View: ~Escapable {
    /// Octets of a header without options.
    public static let byteCount = 20

    @usableFromInline let octets: RawSpan

    /// Checks version, header length and total length against the octets that are there.
    ///
    /// *Returns*: nil when they contradict each other. Octets behind the total length are left out.
    @inlinable @inline(__always) @_lifetime(copy octets)
    public init?(_ octets: RawSpan) {
        guard octets.byteCount >= Self.byteCount, octets.u8(at: 0) >> 4 == 4 else { return nil }
        let header = Int(octets.u8(at: 0) & 0xf) &* 4
        let total = Int(octets.u16(at: 2))
        guard header >= Self.byteCount, total >= header, total <= octets.byteCount else { return nil }
        self.octets = octets.extracting(0..<total)
    }

    /// Octets of the header with its options, 20 to 60.
    @inlinable public var headerByteCount: Int { Int(octets.u8(at: 0) & 0xf) &* 4 }
    @inlinable public var typeOfService: UInt8 { octets.u8(at: 1) }
    /// Octets of the packet, header included.
    @inlinable public var totalLength: Int { Int(octets.u16(at: 2)) }
    @inlinable public var identification: UInt16 { octets.u16(at: 4) }
    @inlinable public var dontFragment: Bool { octets.u8(at: 6) & 0x40 != 0 }
    /// More fragments follow, or this one is not the first.
    @inlinable public var isFragment: Bool { octets.u16(at: 6) & 0x3fff != 0 }
    @inlinable public var timeToLive: UInt8 { octets.u8(at: 8) }
    @inlinable public var nextHeader: UInt8 { octets.u8(at: 9) }
    @inlinable public var checksum: UInt16 { octets.u16(at: 10) }
    @inlinable public var source: IPv4Address { octets.ipv4Address(at: 12) }
    @inlinable public var destination: IPv4Address { octets.ipv4Address(at: 16) }
    /// Whether the header sums to all ones (RFC 1071).
    @inlinable public var isChecksumValid: Bool {
        Checksum.sum(octets.extracting(0..<headerByteCount)) == 0xffff
    }

    /// Decrements the TTL of the header at `offset` and updates its checksum.
    ///
    /// *Requires*: an `IPv4View` of the same octets succeeded and the TTL is at least 1.
    @inlinable @inline(__always)
    public static func decrementTimeToLive(_ buffer: inout MutableRawSpan, at offset: Int) {
        let old = buffer.bytes.u16(at: offset + 8)
        let checksum = buffer.bytes.u16(at: offset + 10)
        buffer.setU16(old &- 0x100, at: offset + 8)
        buffer.setU16(Checksum.updated(checksum, from: old, to: old &- 0x100), at: offset + 10)
    }
}

/// The fields of an IPv4 header without options.
public struct IPv4: Hashable, Sendable {
    public var typeOfService: UInt8
    /// Octets behind the header.
    public var payloadLength: Int
    public var identification: UInt16
    public var dontFragment: Bool
    public var timeToLive: UInt8
    public var nextHeader: UInt8
    public var source: IPv4Address
    public var destination: IPv4Address

    public init(
        typeOfService: UInt8 = 0, payloadLength: Int, identification: UInt16 = 0, dontFragment: Bool = true,
        timeToLive: UInt8, nextHeader: UInt8, source: IPv4Address, destination: IPv4Address
    ) {
        self.typeOfService = typeOfService
        self.payloadLength = payloadLength
        self.identification = identification
        self.dontFragment = dontFragment
        self.timeToLive = timeToLive
        self.nextHeader = nextHeader
        self.source = source
        self.destination = destination
    }

    /// Writes 20 octets at `offset`, checksum included. Traps when they do not fit.
    public func emit(into buffer: inout MutableRawSpan, at offset: Int) {
        buffer.setU8(0x45, at: offset)
        buffer.setU8(typeOfService, at: offset + 1)
        buffer.setU16(UInt16(IPv4View.byteCount + payloadLength), at: offset + 2)
        buffer.setU16(identification, at: offset + 4)
        buffer.setU16(dontFragment ? 0x4000 : 0, at: offset + 6)
        buffer.setU8(timeToLive, at: offset + 8)
        buffer.setU8(nextHeader, at: offset + 9)
        buffer.setU16(0, at: offset + 10)
        buffer.setIPv4Address(source, at: offset + 12)
        buffer.setIPv4Address(destination, at: offset + 16)
        let sum = Checksum.sum(buffer.bytes.extracting(offset..<offset + IPv4View.byteCount))
        buffer.setU16(~sum, at: offset + 10)
    }
}
