// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 1: what kind of packet it is, and whether its lengths agree with the frame.
///
/// Broken packets are dropped as the kernel would drop them; whole packets that need more than forwarding
/// (hop-by-hop options, addresses of one link, IPv4 options) go to the kernel.
enum Parse {
    @inline(__always)
    static func parse(_ frame: borrowing MutableRawSpan, _ packet: inout Packet) {
        let octets = frame.bytes.extracting(Int(packet.start)..<Int(packet.start) &+ Int(packet.length))
        guard let ethernet = EthernetView(octets) else { return packet.drop(.truncated) }
        let network = octets.extracting(droppingFirst: EthernetView.byteCount)
        switch ethernet.type {
        case EtherType.ipv6: parse6(network, &packet)
        case EtherType.ipv4: parse4(network, &packet)
        default: packet.punt()
        }
    }

    @inline(__always)
    private static func parse6(_ network: RawSpan, _ packet: inout Packet) {
        guard let ip = IPv6View(network) else {
            let hasVersion = network.byteCount > 0 && network.u8(at: 0) >> 4 == 6
            return packet.drop(hasVersion || network.byteCount < IPv6View.byteCount ? .truncated : .badVersion)
        }
        let source = ip.source
        let destination = ip.destination
        packet.isIPv6 = true
        packet.destination = FIBKey(destination)
        packet.trafficClass = ip.trafficClass
        packet.hopLimit = ip.hopLimit
        packet.ipLength = Int32(truncatingIfNeeded: ip.totalLength)
        packet.length = Int32(truncatingIfNeeded: EthernetView.byteCount &+ ip.totalLength)
        packet.payloadType = ip.nextHeader
        packet.payloadOffset = Int32(truncatingIfNeeded: IPv6View.byteCount)
        if source.isMulticast { return packet.drop(.badSource) }
        if destination.isMulticast || destination.isLinkLocal || source.isLinkLocal || source.isUnspecified
            || source.isLoopback || destination.isLoopback || destination.isUnspecified
            || ip.nextHeader == NextHeader.hopByHop
        {
            return packet.punt()
        }
        if ip.nextHeader == NextHeader.routing || ip.nextHeader == NextHeader.destinationOptions {
            walk(ip, network, &packet)
        }
    }

    /// Finds the routing header and what is behind it.
    @inline(__always)
    private static func walk(_ ip: borrowing IPv6View, _ network: RawSpan, _ packet: inout Packet) {
        let before = ip.walk()
        guard before.status == .complete else { return packet.punt() }
        guard before.nextHeader == NextHeader.routing else {
            packet.payloadType = before.nextHeader
            packet.payloadOffset = Int32(truncatingIfNeeded: before.offset)
            return
        }
        packet.routingOffset = Int32(truncatingIfNeeded: before.offset)
        guard let srh = SRHView(network.extracting(before.offset..<ip.totalLength)), srh.areTLVsConsistent else {
            packet.routingHeader = .invalid
            return
        }
        packet.routingHeader = .valid
        let behind = ip.walk(from: before.offset &+ srh.byteCount, nextHeader: srh.nextHeader)
        guard behind.status == .complete else { return packet.punt() }
        packet.payloadType = behind.nextHeader
        packet.payloadOffset = Int32(truncatingIfNeeded: behind.offset)
    }

    @inline(__always)
    private static func parse4(_ network: RawSpan, _ packet: inout Packet) {
        guard let ip = IPv4View(network) else {
            let hasVersion = network.byteCount > 0 && network.u8(at: 0) >> 4 == 4
            return packet.drop(hasVersion || network.byteCount < IPv4View.byteCount ? .truncated : .badVersion)
        }
        guard ip.isChecksumValid else { return packet.drop(.badIPv4Checksum) }
        let source = ip.source.value
        let destination = ip.destination.value
        packet.destination = FIBKey(ip.destination)
        packet.trafficClass = ip.typeOfService
        packet.hopLimit = ip.timeToLive
        packet.ipLength = Int32(truncatingIfNeeded: ip.totalLength)
        packet.length = Int32(truncatingIfNeeded: EthernetView.byteCount &+ ip.totalLength)
        packet.payloadType = ip.nextHeader
        packet.payloadOffset = Int32(truncatingIfNeeded: ip.headerByteCount)
        if isMulticast(source) { return packet.drop(.badSource) }
        // Options, and addresses that no router forwards, are the kernel's business.
        if ip.headerByteCount != IPv4View.byteCount || isSpecial(source) || isSpecial(destination)
            || isMulticast(destination)
        {
            packet.punt()
        }
    }

    /// 224.0.0.0/4.
    @inline(__always)
    static func isMulticast(_ address: UInt32) -> Bool { address >> 28 == 0xe }

    /// 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 240.0.0.0/4.
    @inline(__always)
    static func isSpecial(_ address: UInt32) -> Bool {
        address >> 24 == 0 || address >> 24 == 127 || address >> 16 == 0xa9fe || address >> 28 == 0xf
    }
}
