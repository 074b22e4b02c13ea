// SPDX-License-Identifier: Apache-2.0
// Netlink's framing: messages in a datagram, attributes in a message. Everything here is bounds-checked and total:
// what is cut short or contradicts itself ends the walk, it never traps.
//
//    message                              attribute
//    0        4      6       8      12    0        2      4
//    +--------+------+-------+------+---  +--------+------+-----------
//    | length | type | flags | seq  | ... | length | type | payload      both padded to 4 octets,
//    +--------+------+-------+------+---  +--------+------+-----------   lengths include the header

import CMNL
import Wire

/// The fields of `struct nlmsghdr` that matter.
struct MessageHeader: Equatable {
    static let byteCount = 16

    var type: UInt16
    var flags: UInt16
    var sequence: UInt32

    func has(_ flag: Int32) -> Bool { flags & UInt16(truncatingIfNeeded: flag) != 0 }
}

extension RawSpan {
    /// The 16-bit field at `offset` in the host's byte order, nil when it is not all inside.
    func host16(at offset: Int = 0) -> UInt16? {
        guard offset >= 0, byteCount - offset >= 2 else { return nil }
        return u16(at: offset).bigEndian
    }

    /// The 32-bit field at `offset` in the host's byte order, nil when it is not all inside.
    func host32(at offset: Int = 0) -> UInt32? {
        guard offset >= 0, byteCount - offset >= 4 else { return nil }
        return u32(at: offset).bigEndian
    }

    /// A 32-bit interface index; the kernel's are positive.
    func linkIndex(at offset: Int = 0) -> Int? {
        guard let value = host32(at: offset), let index = Int32(exactly: value) else { return nil }
        return Int(index)
    }

    /// The address that fills the span: 4 octets or 16.
    var address: IPAddress? {
        switch byteCount {
        case 4: .v4(ipv4Address(at: 0))
        case 16: .v6(ipv6Address(at: 0))
        default: nil
        }
    }

    /// The text up to the first NUL.
    var text: String {
        var octets: [UInt8] = []
        for offset in 0..<byteCount {
            let octet = u8(at: offset)
            if octet == 0 { break }
            octets.append(octet)
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// Walks the messages of a datagram; the payload handed out lacks the header and the padding.
    func forEachMessage(_ body: (MessageHeader, RawSpan) -> Void) {
        var offset = 0
        while let length = host32(at: offset), let type = host16(at: offset + 4), let flags = host16(at: offset + 6),
            let sequence = host32(at: offset + 8)
        {
            guard length >= MessageHeader.byteCount, Int(length) <= byteCount - offset else { return }
            let header = MessageHeader(type: type, flags: flags, sequence: sequence)
            body(header, extracting(offset + MessageHeader.byteCount..<offset + Int(length)))
            offset += (Int(length) + 3) & ~3
        }
    }

    /// Walks the attributes from `offset` on. Types come without the two flag bits (nested, network byte order).
    func forEachAttribute(from offset: Int = 0, _ body: (Int, RawSpan) -> Void) {
        var offset = offset
        while let length = host16(at: offset), let type = host16(at: offset + 2) {
            guard length >= 4, Int(length) <= byteCount - offset else { return }
            body(Int(type & 0x3fff), extracting(offset + 4..<offset + Int(length)))
            offset += (Int(length) + 3) & ~3
        }
    }
}

/// A request to the kernel, as octets.
struct Request {
    private(set) var octets: [UInt8]

    /// *Requires*: `fixed`, the family's own header, padded to 4 octets.
    init(type: Int, flags: Int32, sequence: UInt32, fixed: [UInt8]) {
        octets = Self.octets(of: UInt32(0)) + Self.octets(of: UInt16(type)) + Self.octets(of: UInt16(flags))
        octets += Self.octets(of: sequence) + Self.octets(of: UInt32(0)) + fixed
        seal()
    }

    /// Appends one attribute with its padding.
    mutating func append(_ type: Int, _ payload: [UInt8]) {
        octets += Self.octets(of: UInt16(4 + payload.count)) + Self.octets(of: UInt16(type)) + payload
        octets += [UInt8](repeating: 0, count: -payload.count & 3)
        seal()
    }

    /// Writes the message's length into its first field.
    private mutating func seal() {
        octets.replaceSubrange(0..<4, with: Self.octets(of: UInt32(octets.count)))
    }

    /// The octets of an integer as the host lays them out: `littleEndian` makes the lowest octet the first in memory.
    static func octets<Field: FixedWidthInteger>(of value: Field) -> [UInt8] {
        (0..<Field.bitWidth / 8).map { UInt8(truncatingIfNeeded: value.littleEndian >> Field($0 * 8)) }
    }

    /// The octets of an address in network byte order.
    static func octets(of address: IPAddress) -> [UInt8] {
        switch address {
        case .v4(let v4): octets(of: v4.value.bigEndian)
        case .v6(let v6): octets(of: v6.high.bigEndian) + octets(of: v6.low.bigEndian)
        }
    }
}
