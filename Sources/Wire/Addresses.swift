// SPDX-License-Identifier: Apache-2.0
import Glibc

/// An IPv6 address, as two 64-bit halves in host order of the network-order octets.
///
/// *Layout*: 16 octets, trivially copyable.
@frozen
public struct IPv6Address: Hashable, Sendable, BitwiseCopyable {
    /// Octets 0 to 7.
    public var high: UInt64
    /// Octets 8 to 15.
    public var low: UInt64

    @inlinable @inline(__always)
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `::`
    public static var unspecified: IPv6Address { IPv6Address(high: 0, low: 0) }

    /// The address with every bit behind `prefixLength` cleared.
    ///
    /// *Requires*: `prefixLength` from 0 to 128.
    @inlinable
    public func masked(to prefixLength: Int) -> IPv6Address {
        precondition(prefixLength >= 0 && prefixLength <= 128, "prefix length out of range")
        // Swift's shifts yield zero when they shift everything out.
        return IPv6Address(
            high: high & ~0 << max(0, 64 - prefixLength), low: low & ~0 << min(64, 128 - prefixLength))
    }

    /// ff00::/8
    @inlinable public var isMulticast: Bool { high >> 56 == 0xff }
    /// fe80::/10
    @inlinable public var isLinkLocal: Bool { high >> 54 == 0xfe80 >> 6 }
    /// `::`
    @inlinable public var isUnspecified: Bool { high | low == 0 }
    /// `::1`
    @inlinable public var isLoopback: Bool { high == 0 && low == 1 }
}

extension IPv6Address: LosslessStringConvertible, CustomStringConvertible {
    /// RFC 4291 text form.
    public init?(_ text: String) {
        var octets = in6_addr()
        // A C string would end at a zero octet and hide what follows.
        guard !text.utf8.contains(0), unsafe inet_pton(AF_INET6, text, &octets) == 1 else { return nil }
        let halves = unsafe withUnsafeBytes(of: &octets) { raw in
            unsafe (raw.bytes.u64(at: 0), raw.bytes.u64(at: 8))
        }
        self.init(high: halves.0, low: halves.1)
    }

    /// RFC 5952 text form; a mapped IPv4 address keeps its dots (section 5), as the C library prints it.
    public var description: String {
        if high == 0 && low >> 32 == 0xffff { return "::ffff:\(IPv4Address(UInt32(truncatingIfNeeded: low)))" }
        var groups: [UInt16] = []
        for half in [high, low] {
            for shift in stride(from: UInt64(48), through: 0, by: -16) {
                groups.append(UInt16(truncatingIfNeeded: half >> shift))
            }
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8 && groups[end] == 0 { end += 1 }
            if end - start > best.count && end - start > 1 { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        if best.isEmpty { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}

/// An IPv4 address, in host order of the network-order octets.
@frozen
public struct IPv4Address: Hashable, Sendable, BitwiseCopyable {
    public var value: UInt32

    @inlinable @inline(__always)
    public init(_ value: UInt32) { self.value = value }

    /// The address with every bit behind `prefixLength` cleared.
    ///
    /// *Requires*: `prefixLength` from 0 to 32.
    @inlinable
    public func masked(to prefixLength: Int) -> IPv4Address {
        precondition(prefixLength >= 0 && prefixLength <= 32, "prefix length out of range")
        return IPv4Address(value & ~0 << (32 - prefixLength))
    }
}

extension IPv4Address: LosslessStringConvertible, CustomStringConvertible {
    /// Dotted decimal, four parts.
    public init?(_ text: String) {
        var octets = in_addr()
        guard !text.utf8.contains(0), unsafe inet_pton(AF_INET, text, &octets) == 1 else { return nil }
        self.init(UInt32(bigEndian: octets.s_addr))
    }

    public var description: String {
        "\(value >> 24).\(value >> 16 & 0xff).\(value >> 8 & 0xff).\(value & 0xff)"
    }
}

/// A MAC address in the low 48 bits, first octet highest.
@frozen
public struct MACAddress: Hashable, Sendable, BitwiseCopyable {
    public var value: UInt64

    @inlinable @inline(__always)
    public init(_ value: UInt64) { self.value = value & 0xffff_ffff_ffff }

    /// The group bit of the first octet: multicast and broadcast.
    @inlinable public var isGroup: Bool { value >> 40 & 1 == 1 }
}

extension MACAddress: LosslessStringConvertible, CustomStringConvertible {
    /// Six hexadecimal octets separated by colons.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            // `UInt8` alone would take a sign for the first digit.
            guard part.count == 2, part.allSatisfy(\.isHexDigit), let octet = UInt8(part, radix: 16) else { return nil }
            value = value << 8 | UInt64(octet)
        }
        self.init(value)
    }

    public var description: String {
        (0..<6).map { index in
            let octet = String(value >> UInt64(40 - 8 * index) & 0xff, radix: 16)
            return octet.count == 1 ? "0" + octet : octet
        }.joined(separator: ":")
    }
}

/// An address of either family.
public enum IPAddress: Hashable, Sendable, LosslessStringConvertible, CustomStringConvertible {
    case v4(IPv4Address)
    case v6(IPv6Address)

    public init?(_ text: String) {
        if let address = IPv6Address(text) {
            self = .v6(address)
        } else if let address = IPv4Address(text) {
            self = .v4(address)
        } else {
            return nil
        }
    }

    public var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }

    /// The address as IPv6, an IPv4 address mapped into `::ffff:0:0/96`.
    public var mapped: IPv6Address {
        switch self {
        case .v4(let address): IPv6Address(high: 0, low: 0xffff_0000_0000 | UInt64(address.value))
        case .v6(let address): address
        }
    }
}

/// A prefix of either family; bits behind its length are zero.
public struct IPPrefix: Hashable, Sendable, LosslessStringConvertible, CustomStringConvertible {
    public let address: IPAddress
    /// 0 to 128 for IPv6, 0 to 32 for IPv4.
    public let length: Int

    /// *Requires*: a length that the family has. Bits of `address` behind it are cleared.
    public init(_ address: IPAddress, length: Int) {
        switch address {
        case .v4(let v4): self.address = .v4(v4.masked(to: length))
        case .v6(let v6): self.address = .v6(v6.masked(to: length))
        }
        self.length = length
    }

    /// `address/length`, or an address alone for a host prefix.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPAddress(String(parts[0])) else { return nil }
        let most = if case .v4 = address { 32 } else { 128 }
        var length = most
        if parts.count == 2 {
            // Neither a sign nor a leading zero, which other programs take for octal.
            guard let given = Int(parts[1]), String(given) == parts[1], (0...most).contains(given) else { return nil }
            length = given
        }
        self.init(address, length: length)
    }

    public var description: String { "\(address)/\(length)" }
}
