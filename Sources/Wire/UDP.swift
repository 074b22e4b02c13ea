// SPDX-License-Identifier: Apache-2.0
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1      RFC 768
//    +-------------------------------+-------------------------------+
//    |          Source Port          |        Destination Port       |
//    |             Length            |            Checksum           |
//    +-------------------------------+-------------------------------+

/// A UDP header and its datagram.
public struct UDPView: ~Escapable {
    public static let byteCount = 8

    @usableFromInline let octets: RawSpan

    /// *Returns*: nil when the header is cut short or its length contradicts the octets that are there.
    @inlinable @inline(__always) @_lifetime(copy octets)
    public init?(_ octets: RawSpan) {
        guard octets.byteCount >= Self.byteCount else { return nil }
        let length = Int(octets.u16(at: 4))
        guard length >= Self.byteCount, length <= octets.byteCount else { return nil }
        self.octets = octets.extracting(0..<length)
    }

    @inlinable public var sourcePort: UInt16 { octets.u16(at: 0) }
    @inlinable public var destinationPort: UInt16 { octets.u16(at: 2) }
    /// Octets of header and payload.
    @inlinable public var length: Int { octets.byteCount }
    @inlinable public var checksum: UInt16 { octets.u16(at: 6) }
    @inlinable public var payload: RawSpan {
        @_lifetime(copy self) get { octets.extracting(droppingFirst: Self.byteCount) }
    }

    /// Whether header and payload sum to all ones with a pseudo-header's sum on top.
    @inlinable
    public func isChecksumValid(pseudoHeader: UInt16) -> Bool {
        Checksum.sum(octets, partial: pseudoHeader) == 0xffff
    }
}

/// The fields of a UDP header.
public struct UDP: Hashable, Sendable {
    public var sourcePort: UInt16
    public var destinationPort: UInt16

    public init(sourcePort: UInt16, destinationPort: UInt16) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    /// Writes the header at `offset` in front of `payloadLength` octets that are already in place, with the checksum
    /// over both. Traps when they do not fit.
    public func emit(into buffer: inout MutableRawSpan, at offset: Int, payloadLength: Int, pseudoHeader: UInt16) {
        let length = UDPView.byteCount + payloadLength
        buffer.setU16(sourcePort, at: offset)
        buffer.setU16(destinationPort, at: offset + 2)
        buffer.setU16(UInt16(length), at: offset + 4)
        buffer.setU16(0, at: offset + 6)
        let sum = Checksum.sum(buffer.bytes.extracting(offset..<offset + length), partial: pseudoHeader)
        // RFC 768: a checksum of zero is sent as all ones; zero means none.
        buffer.setU16(sum == 0xffff ? 0xffff : ~sum, at: offset + 6)
    }
}
