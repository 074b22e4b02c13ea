// SPDX-License-Identifier: Apache-2.0
// Fields in network byte order, read from and written to spans. Every access is bounds-checked by the span:
// an offset outside it traps instead of touching other memory. This is the only file of the room that says `unsafe`,
// and it does so because a load of a trivial integer from raw octets is spelled that way.

extension RawSpan {
    /// The octet at `offset`.
    @inlinable @inline(__always)
    public func u8(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// The 16-bit field at `offset`, network byte order.
    @inlinable @inline(__always)
    public func u16(at offset: Int) -> UInt16 {
        unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// The 32-bit field at `offset`, network byte order.
    @inlinable @inline(__always)
    public func u32(at offset: Int) -> UInt32 {
        unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The 64-bit field at `offset`, network byte order.
    @inlinable @inline(__always)
    public func u64(at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The IPv6 address at `offset`.
    @inlinable @inline(__always)
    public func ipv6Address(at offset: Int) -> IPv6Address {
        IPv6Address(high: u64(at: offset), low: u64(at: offset + 8))
    }

    /// The IPv4 address at `offset`.
    @inlinable @inline(__always)
    public func ipv4Address(at offset: Int) -> IPv4Address {
        IPv4Address(u32(at: offset))
    }

    /// The MAC address at `offset`.
    @inlinable @inline(__always)
    public func macAddress(at offset: Int) -> MACAddress {
        MACAddress(UInt64(u16(at: offset)) << 32 | UInt64(u32(at: offset + 2)))
    }
}

extension MutableRawSpan {
    /// Writes one octet.
    @inlinable @inline(__always)
    public mutating func setU8(_ value: UInt8, at offset: Int) {
        storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
    }

    /// Writes a 16-bit field in network byte order.
    @inlinable @inline(__always)
    public mutating func setU16(_ value: UInt16, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }

    /// Writes a 32-bit field in network byte order.
    @inlinable @inline(__always)
    public mutating func setU32(_ value: UInt32, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Writes a 64-bit field in network byte order.
    @inlinable @inline(__always)
    public mutating func setU64(_ value: UInt64, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }

    /// Writes an IPv6 address.
    @inlinable @inline(__always)
    public mutating func setIPv6Address(_ value: IPv6Address, at offset: Int) {
        setU64(value.high, at: offset)
        setU64(value.low, at: offset + 8)
    }

    /// Writes an IPv4 address.
    @inlinable @inline(__always)
    public mutating func setIPv4Address(_ value: IPv4Address, at offset: Int) {
        setU32(value.value, at: offset)
    }

    /// Writes a MAC address.
    @inlinable @inline(__always)
    public mutating func setMACAddress(_ value: MACAddress, at offset: Int) {
        setU16(UInt16(truncatingIfNeeded: value.value >> 32), at: offset)
        setU32(UInt32(truncatingIfNeeded: value.value), at: offset + 2)
    }

    /// Writes `source` at `offset`. Traps when it does not fit.
    @inlinable @inline(__always)
    public mutating func setOctets(_ source: RawSpan, at offset: Int) {
        precondition(offset >= 0 && source.byteCount <= byteCount - offset, "source does not fit")
        unsafe withUnsafeMutableBytes { target in
            unsafe source.withUnsafeBytes { octets in
                guard let from = octets.baseAddress, let to = target.baseAddress else { return }
                unsafe (to + offset).copyMemory(from: from, byteCount: octets.count)
            }
        }
    }
}
