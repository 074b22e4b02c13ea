// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Whole packets from fields: Ethernet, any number of IP and segment routing headers, UDP and a payload.
public struct PacketFactory: Sendable {
    public var destinationMAC: MACAddress
    public var sourceMAC: MACAddress

    public init(destinationMAC: MACAddress, sourceMAC: MACAddress) {
        self.destinationMAC = destinationMAC
        self.sourceMAC = sourceMAC
    }

    /// An IPv6 packet with a UDP datagram; checksums are right.
    public static func ipv6(
        from source: IPv6Address, to destination: IPv6Address, sourcePort: UInt16 = 49152,
        destinationPort: UInt16 = 5001, trafficClass: UInt8 = 0, flowLabel: UInt32 = 0, hopLimit: UInt8 = 64,
        payload: [UInt8] = []
    ) -> [UInt8] {
        let length = UDPView.byteCount + payload.count
        return write(IPv6View.byteCount + length) { buffer in
            IPv6(
                trafficClass: trafficClass, flowLabel: flowLabel, payloadLength: UInt16(length),
                nextHeader: NextHeader.udp, hopLimit: hopLimit, source: source, destination: destination
            ).emit(into: &buffer, at: 0)
            put(payload, at: IPv6View.byteCount + UDPView.byteCount, into: &buffer)
            let pseudo = Checksum.pseudoHeader(
                source: source, destination: destination, length: length, nextHeader: NextHeader.udp)
            UDP(sourcePort: sourcePort, destinationPort: destinationPort)
                .emit(into: &buffer, at: IPv6View.byteCount, payloadLength: payload.count, pseudoHeader: pseudo)
        }
    }

    /// An IPv4 packet with a UDP datagram; checksums are right.
    public static func ipv4(
        from source: IPv4Address, to destination: IPv4Address, sourcePort: UInt16 = 49152,
        destinationPort: UInt16 = 5001, typeOfService: UInt8 = 0, timeToLive: UInt8 = 64, payload: [UInt8] = []
    ) -> [UInt8] {
        let length = UDPView.byteCount + payload.count
        return write(IPv4View.byteCount + length) { buffer in
            IPv4(
                typeOfService: typeOfService, payloadLength: length, identification: 0x1234, timeToLive: timeToLive,
                nextHeader: NextHeader.udp, source: source, destination: destination
            ).emit(into: &buffer, at: 0)
            put(payload, at: IPv4View.byteCount + UDPView.byteCount, into: &buffer)
            let pseudo = Checksum.pseudoHeader(
                source: source, destination: destination, length: length, nextHeader: NextHeader.udp)
            UDP(sourcePort: sourcePort, destinationPort: destinationPort)
                .emit(into: &buffer, at: IPv4View.byteCount, payloadLength: payload.count, pseudoHeader: pseudo)
        }
    }

    /// `inner` behind an outer IPv6 header and, unless the list is empty, an SRH.
    ///
    /// - Parameter listed: segments that the SRH holds, in travel order.
    /// - Parameter segmentsLeft: as it is to stand in the SRH.
    public static func encapsulated(
        _ inner: [UInt8], from source: IPv6Address, to destination: IPv6Address, listed: [SID], segmentsLeft: UInt8,
        trafficClass: UInt8 = 0, hopLimit: UInt8 = 64
    ) -> [UInt8] {
        let payload = inner[0] >> 4 == 6 ? NextHeader.ipv6 : NextHeader.ipv4
        let routing = listed.isEmpty ? 0 : SRHView.fixedByteCount + 16 * listed.count
        return write(IPv6View.byteCount + routing + inner.count) { buffer in
            IPv6(
                trafficClass: trafficClass, payloadLength: UInt16(routing + inner.count),
                nextHeader: listed.isEmpty ? payload : NextHeader.routing, hopLimit: hopLimit, source: source,
                destination: destination
            ).emit(into: &buffer, at: 0)
            if !listed.isEmpty {
                SRH(nextHeader: payload, segmentsLeft: segmentsLeft, segments: listed)
                    .emit(into: &buffer, at: IPv6View.byteCount)
            }
            put(inner, at: IPv6View.byteCount + routing, into: &buffer)
        }
    }

    /// The frame that carries an IP packet.
    public func frame(_ packet: [UInt8]) -> [UInt8] {
        let type = packet.first.map { $0 >> 4 == 4 } == true ? EtherType.ipv4 : EtherType.ipv6
        return Self.write(EthernetView.byteCount + packet.count) { buffer in
            Ethernet(destination: destinationMAC, source: sourceMAC, type: type).emit(into: &buffer, at: 0)
            Self.put(packet, at: EthernetView.byteCount, into: &buffer)
        }
    }

    private static func put(_ octets: [UInt8], at offset: Int, into buffer: inout MutableRawSpan) {
        for (index, octet) in octets.enumerated() { buffer.setU8(octet, at: offset + index) }
    }

    private static func write(_ count: Int, _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
        // Filled with ones, so that an octet that nobody writes shows.
        var octets = [UInt8](repeating: 0xff, count: count)
        var span = octets.mutableSpan
        var buffer = unsafe span.mutableBytes
        body(&buffer)
        return octets
    }
}
