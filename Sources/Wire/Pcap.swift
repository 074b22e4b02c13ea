// SPDX-License-Identifier: Apache-2.0

//    file header (24)   magic 4 | major 2 | minor 2 | zone 4 | accuracy 4 | snap length 4 | link type 4
//    packet header (16) seconds 4 | micro- or nanoseconds 4 | captured length 4 | length 4
//
//    in the byte order of the writer, which the magic tells; link type 1 is Ethernet

/// The packets of a capture file in the classic format.
public struct Pcap: Hashable, Sendable {
    public struct Packet: Hashable, Sendable {
        /// Nanoseconds since the Unix epoch.
        public var timestamp: UInt64
        /// From the Ethernet header on.
        public var octets: [UInt8]

        public init(timestamp: UInt64, octets: [UInt8]) {
            self.timestamp = timestamp
            self.octets = octets
        }
    }

    public var packets: [Packet]

    public init(packets: [Packet] = []) { self.packets = packets }

    private static let microseconds: UInt32 = 0xa1b2_c3d4
    private static let nanoseconds: UInt32 = 0xa1b2_3c4d
    private static let fileHeaderByteCount = 24
    private static let packetHeaderByteCount = 16
    private static let mostOctets = 262_144
    private static let ethernet: UInt32 = 1

    /// Reads a file. Byte order and resolution come from its magic.
    ///
    /// *Throws*: where the file is not a capture of Ethernet frames, or ends in the middle of one.
    public init(_ octets: RawSpan) throws(WireError) {
        guard octets.byteCount >= Self.fileHeaderByteCount else {
            throw WireError(offset: octets.byteCount, reason: "the file header is cut short")
        }
        let magic = octets.u32(at: 0)
        let isLittle = [Self.microseconds.byteSwapped, Self.nanoseconds.byteSwapped].contains(magic)
        let native = isLittle ? magic.byteSwapped : magic
        guard native == Self.microseconds || native == Self.nanoseconds else {
            throw WireError(offset: 0, reason: "this is not a pcap file (pcapng is another format)")
        }
        func field(_ offset: Int) -> UInt32 { isLittle ? octets.u32(at: offset).byteSwapped : octets.u32(at: offset) }
        guard field(20) & 0xffff == Self.ethernet else {
            throw WireError(offset: 20, reason: "the link type is not Ethernet")
        }
        packets = []
        var offset = Self.fileHeaderByteCount
        while offset < octets.byteCount {
            guard octets.byteCount - offset >= Self.packetHeaderByteCount else {
                throw WireError(offset: offset, reason: "a packet header is cut short")
            }
            let length = Int(field(offset + 8))
            guard length <= Self.mostOctets else {
                throw WireError(
                    offset: offset + 8, reason: "a packet of \(length) octets is larger than a capture holds")
            }
            guard length <= octets.byteCount - offset - Self.packetHeaderByteCount else {
                throw WireError(offset: offset + 8, reason: "a packet of \(length) octets is cut short")
            }
            let scale: UInt64 = native == Self.nanoseconds ? 1 : 1000
            let time = UInt64(field(offset)) * 1_000_000_000 + UInt64(field(offset + 4)) * scale
            offset += Self.packetHeaderByteCount
            let packet = unsafe octets.extracting(offset..<offset + length).withUnsafeBytes { unsafe [UInt8]($0) }
            packets.append(Packet(timestamp: time, octets: packet))
            offset += length
        }
    }

    /// The file, with nanoseconds, in network byte order.
    public func emit() -> [UInt8] {
        var file: [UInt8] = []
        func put(_ value: UInt32) {
            for shift in stride(from: UInt32(24), through: 0, by: -8) {
                file.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }
        put(Self.nanoseconds)
        put(2 << 16 | 4)
        put(0)
        put(0)
        put(UInt32(Self.mostOctets))
        put(Self.ethernet)
        for packet in packets {
            put(UInt32(truncatingIfNeeded: packet.timestamp / 1_000_000_000))
            put(UInt32(packet.timestamp % 1_000_000_000))
            put(UInt32(packet.octets.count))
            put(UInt32(packet.octets.count))
            file += packet.octets
        }
        return file
    }
}
