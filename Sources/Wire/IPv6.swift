// SPDX-License-Identifier: Apache-2.0
//     0                   1                   2                   3
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1      RFC 8200 section 3
//    +-------+---------------+---------------------------------------+
//    |Version| Traffic Class |               Flow Label              |
//    +-------+---------------+-------+---------------+---------------+
//    |         Payload Length        |  Next Header  |   Hop Limit   |
//    +-------------------------------+---------------+---------------+
//    |                        Source Address (16)                    |
//    |                     Destination Address (16)                  |
//    +---------------------------------------------------------------+

/// Values of the Next Header field that the project knows.
public enum NextHeader {
    public static let hopByHop: UInt8 = 0
    public static let ipv4: UInt8 = 4
    public static let tcp: UInt8 = 6
    public static let udp: UInt8 = 17
    public static let ipv6: UInt8 = 41
    public static let routing: UInt8 = 43
    public static let fragment: UInt8 = 44
    public static let icmpv6: UInt8 = 58
    public static let none: UInt8 = 59
    public static let destinationOptions: UInt8 = 60
    public static let ethernet: UInt8 = 143
}

/// An IPv6 header and the packet it heads.
public struct IPv6View: ~Escapable {
    /// Octets of the fixed header.
    public static let byteCount = 40

    @usableFromInline let octets: RawSpan

    /// Checks version and payload length against the octets that are there.
    ///
    /// *Returns*: nil when they contradict each other. Octets behind the payload are left out.
    @inlinable @inline(__always) @_lifetime(copy octets)
    public init?(_ octets: RawSpan) {
        guard octets.byteCount >= Self.byteCount, octets.u8(at: 0) >> 4 == 6 else { return nil }
        let total = Self.byteCount &+ Int(octets.u16(at: 4))
        guard total <= octets.byteCount else { return nil }
        self.octets = octets.extracting(0..<total)
    }

    @inlinable public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: octets.u16(at: 0) >> 4) }
    /// 20 bits.
    @inlinable public var flowLabel: UInt32 { octets.u32(at: 0) & 0xfffff }
    @inlinable public var payloadLength: Int { Int(octets.u16(at: 4)) }
    /// Octets of the packet, header included.
    @inlinable public var totalLength: Int { octets.byteCount }
    @inlinable public var nextHeader: UInt8 { octets.u8(at: 6) }
    @inlinable public var hopLimit: UInt8 { octets.u8(at: 7) }
    @inlinable public var source: IPv6Address { octets.ipv6Address(at: 8) }
    @inlinable public var destination: IPv6Address { octets.ipv6Address(at: 24) }

    /// The walk over the extension headers, from the fixed header to the first that is not one it may pass.
    ///
    /// Passes destination options, and hands back the routing header without entering it. At most
    /// ``Extensions/limit`` headers are passed, so that the cost of a hostile chain is bounded.
    @inlinable @inline(__always)
    public func walk() -> Extensions {
        walk(from: Self.byteCount, nextHeader: nextHeader)
    }

    /// The same walk, begun at a header in the middle, for example behind a routing header.
    @inlinable
    public func walk(from offset: Int, nextHeader: UInt8) -> Extensions {
        var found = Extensions(nextHeader: nextHeader, offset: offset, status: .complete)
        for _ in 0..<Extensions.limit {
            guard found.nextHeader == NextHeader.destinationOptions else { return found }
            guard found.offset &+ 8 <= octets.byteCount else {
                found.status = .truncated
                return found
            }
            let length = 8 &+ 8 &* Int(octets.u8(at: found.offset &+ 1))
            guard found.offset &+ length <= octets.byteCount else {
                found.status = .truncated
                return found
            }
            found.nextHeader = octets.u8(at: found.offset)
            found.offset &+= length
        }
        if found.nextHeader == NextHeader.destinationOptions { found.status = .tooMany }
        return found
    }

    /// Where a walk over extension headers ended.
    @frozen
    public struct Extensions: BitwiseCopyable, Sendable {
        public enum Status: UInt8, BitwiseCopyable, Sendable { case complete, truncated, tooMany }

        /// Headers that are passed at most.
        public static var limit: Int { 4 }

        /// Type of the header at `offset`.
        public var nextHeader: UInt8
        /// Octets from the start of the fixed header.
        public var offset: Int
        public var status: Status

        @inlinable
        public init(nextHeader: UInt8, offset: Int, status: Status) {
            self.nextHeader = nextHeader
            self.offset = offset
            self.status = status
        }
    }
}

/// The fields of an IPv6 header.
@frozen
public struct IPv6: Hashable, Sendable {
    public var trafficClass: UInt8
    /// 20 bits; the rest is ignored.
    public var flowLabel: UInt32
    public var payloadLength: UInt16
    public var nextHeader: UInt8
    public var hopLimit: UInt8
    public var source: IPv6Address
    public var destination: IPv6Address

    public init(
        trafficClass: UInt8 = 0, flowLabel: UInt32 = 0, payloadLength: UInt16, nextHeader: UInt8, hopLimit: UInt8,
        source: IPv6Address, destination: IPv6Address
    ) {
        self.trafficClass = trafficClass
        self.flowLabel = flowLabel
        self.payloadLength = payloadLength
        self.nextHeader = nextHeader
        self.hopLimit = hopLimit
        self.source = source
        self.destination = destination
    }

    public init(_ view: borrowing IPv6View) {
        self.init(
            trafficClass: view.trafficClass, flowLabel: view.flowLabel, payloadLength: UInt16(view.payloadLength),
            nextHeader: view.nextHeader, hopLimit: view.hopLimit, source: view.source, destination: view.destination)
    }

    /// The first 32 bits: version, traffic class, flow label.
    @inlinable @inline(__always)
    public static func firstWord(trafficClass: UInt8, flowLabel: UInt32) -> UInt32 {
        0x6000_0000 | UInt32(trafficClass) << 20 | flowLabel & 0xfffff
    }

    /// Writes 40 octets at `offset`. Traps when they do not fit.
    public func emit(into buffer: inout MutableRawSpan, at offset: Int) {
        buffer.setU32(Self.firstWord(trafficClass: trafficClass, flowLabel: flowLabel), at: offset)
        buffer.setU16(payloadLength, at: offset + 4)
        buffer.setU8(nextHeader, at: offset + 6)
        buffer.setU8(hopLimit, at: offset + 7)
        buffer.setIPv6Address(source, at: offset + 8)
        buffer.setIPv6Address(destination, at: offset + 24)
    }
}
