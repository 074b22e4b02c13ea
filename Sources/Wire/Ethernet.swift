// SPDX-License-Identifier: Apache-2.0
//     0                   1
//     0 1 2 3 4 5 6 7 8 9 0 1 2 3
//    +-----------+-----------+---+
//    |destination|  source   |typ|     14 octets, no frame check sequence
//    +-----------+-----------+---+

/// Values of the EtherType field that the project knows.
public enum EtherType {
    public static let ipv4: UInt16 = 0x0800
    public static let ipv6: UInt16 = 0x86dd
    public static let vlan: UInt16 = 0x8100
}

/// An Ethernet II header.
public struct EthernetView: ~Escapable {
    public static let byteCount = 14

    @usableFromInline let octets: RawSpan

    /// *Returns*: nil when there are fewer than 14 octets.
    @inlinable @inline(__always) @_lifetime(copy octets)
    public init?(_ octets: RawSpan) {
        guard octets.byteCount >= Self.byteCount else { return nil }
        self.octets = octets
    }

    @inlinable public var destination: MACAddress { octets.macAddress(at: 0) }
    @inlinable public var source: MACAddress { octets.macAddress(at: 6) }
    @inlinable public var type: UInt16 { octets.u16(at: 12) }
}

/// The fields of an Ethernet II header.
@frozen
public struct Ethernet: Hashable, Sendable {
    public var destination: MACAddress
    public var source: MACAddress
    public var type: UInt16

    @inlinable
    public init(destination: MACAddress, source: MACAddress, type: UInt16) {
        self.destination = destination
        self.source = source
        self.type = type
    }

    public init(_ view: borrowing EthernetView) {
        self.init(destination: view.destination, source: view.source, type: view.type)
    }

    /// Writes 14 octets at `offset`. Traps when they do not fit.
    @inlinable @inline(__always)
    public func emit(into buffer: inout MutableRawSpan, at offset: Int) {
        buffer.setMACAddress(destination, at: offset)
        buffer.setMACAddress(source, at: offset + 6)
        buffer.setU16(type, at: offset + 12)
    }
}
