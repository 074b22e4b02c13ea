// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 3 for packets to a local SID: the behavior's checks and the key of its lookup; then, in ``rewrite``, its work.
///
/// The checks come first and touch nothing, so that a packet that the kernel has to finish is still as it came.
enum Endpoint {
    /// *RFC*: 8986 sections 4.1 (End), 4.2 (End.X), 4.4 (End.DX6), 4.5 (End.DX4), 4.6 (End.DT6).
    /// *Requires*: `packet.action` is `end` and `packet.object` a SID.
    @inline(__always)
    static func prepare(_ frame: borrowing MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy) {
        let sid = tables.sids[Int(packet.object)]
        packet.sid = sid.counter
        switch sid.action {
        case .kernel: packet.punt()
        case .end, .endX: prepareEnd(frame, sid, &packet)
        case .decapsulateTable6, .decapsulateCross6:
            prepareDecapsulation(frame, sid, payload: NextHeader.ipv6, &packet)
        case .decapsulateCross4:
            prepareDecapsulation(frame, sid, payload: NextHeader.ipv4, &packet)
        }
    }

    @inline(__always)
    private static func prepareEnd(_ frame: borrowing MutableRawSpan, _ sid: SIDEntry, _ packet: inout Packet) {
        guard packet.routingHeader != .invalid else { return packet.drop(.badSRH) }
        guard packet.routingHeader == .valid, let srh = header(frame, packet), srh.segmentsLeft > 0 else {
            return packet.drop(.noSegmentsLeft)
        }
        // Keyed hashes are the kernel's to verify; an expired packet is the kernel's to answer (S05).
        guard srh.flags & SRHView.hmacFlag == 0, packet.hopLimit > 1 else { return packet.punt() }
        // One past the last entry is legal with a reduced header, but then the next segment is the last entry.
        let next = srh.segment(srh.segmentsLeft &- 1)
        guard !next.isMulticast, !next.isLinkLocal, !next.isLoopback, !next.isUnspecified else { return packet.punt() }
        packet.action = .end
        packet.table = UInt16(truncatingIfNeeded: TableCopy.main6)
        packet.key = sid.hasNextHop ? sid.nextHop : FIBKey(next)
        packet.neighbor = IPv6Address(high: packet.key.high, low: packet.key.low)
    }

    @inline(__always)
    private static func prepareDecapsulation(
        _ frame: borrowing MutableRawSpan, _ sid: SIDEntry, payload: UInt8, _ packet: inout Packet
    ) {
        if packet.routingHeader == .invalid { return packet.drop(.badSRH) }
        if packet.routingHeader == .valid, let srh = header(frame, packet) {
            guard srh.segmentsLeft == 0 else { return packet.drop(.segmentsLeft) }
            guard srh.flags & SRHView.hmacFlag == 0 else { return packet.punt() }
        }
        guard packet.payloadType == payload else {
            // A fragment or another extension header in between is the kernel's to look behind.
            let isExtension = packet.payloadType == NextHeader.fragment || packet.payloadType == NextHeader.routing
            return isExtension ? packet.punt() : packet.drop(.unexpectedPayload)
        }
        let inner = frame.bytes.extracting(
            packet.network &+ Int(packet.payloadOffset)..<packet.network &+ Int(packet.ipLength))
        packet.table = sid.table
        if payload == NextHeader.ipv6 {
            guard let ip = IPv6View(inner) else { return packet.drop(.badInnerPacket) }
            prepareInner6(ip, sid, &packet)
        } else {
            guard let ip = IPv4View(inner), ip.isChecksumValid else { return packet.drop(.badInnerPacket) }
            prepareInner4(ip, sid, &packet)
        }
    }

    @inline(__always)
    private static func prepareInner6(_ ip: borrowing IPv6View, _ sid: SIDEntry, _ packet: inout Packet) {
        let source = ip.source
        let destination = ip.destination
        guard ip.hopLimit > 1, !destination.isMulticast, !destination.isLinkLocal, !destination.isLoopback,
            !source.isMulticast, !source.isLinkLocal, !source.isLoopback, !source.isUnspecified,
            !destination.isUnspecified
        else { return packet.punt() }
        packet.action = .decapsulate6
        packet.growth = -packet.payloadOffset
        packet.key = sid.hasNextHop ? sid.nextHop : FIBKey(destination)
        packet.neighbor = IPv6Address(high: packet.key.high, low: packet.key.low)
    }

    @inline(__always)
    private static func prepareInner4(_ ip: borrowing IPv4View, _ sid: SIDEntry, _ packet: inout Packet) {
        let source = ip.source.value
        let destination = ip.destination
        guard ip.timeToLive > 1, ip.headerByteCount == IPv4View.byteCount, !Parse.isMulticast(source),
            !Parse.isMulticast(destination.value), !Parse.isSpecial(source), !Parse.isSpecial(destination.value)
        else { return packet.punt() }
        packet.action = .decapsulate4
        packet.growth = -packet.payloadOffset
        packet.key = sid.hasNextHop ? sid.nextHop : FIBKey(destination)
        // On a connected route the kernel resolves the packet's own destination, whatever next hop was looked up.
        packet.neighbor = IPAddress.v4(destination).mapped
    }

    /// Does what was prepared. The way out is known and wide enough.
    @inline(__always)
    static func rewrite(_ frame: inout MutableRawSpan, _ packet: inout Packet) {
        switch packet.action {
        case .end: advance(&frame, packet)
        case .decapsulate6:
            strip(&packet)
            Forward.decrementHopLimit(&frame, at: packet.network)
        case .decapsulate4:
            strip(&packet)
            IPv4View.decrementTimeToLive(&frame, at: packet.network)
        default: preconditionFailure("not an endpoint's action")
        }
    }

    /// RFC 8986 section 4.1, S12 to S14.
    @inline(__always)
    private static func advance(_ frame: inout MutableRawSpan, _ packet: Packet) {
        let routing = packet.network &+ Int(packet.routingOffset)
        let left = frame.bytes.u8(at: routing &+ 3) &- 1
        let next = frame.bytes.ipv6Address(at: routing &+ SRHView.fixedByteCount &+ 16 &* Int(left))
        frame.setU8(left, at: routing &+ 3)
        frame.setIPv6Address(next, at: packet.network &+ 24)
        Forward.decrementHopLimit(&frame, at: packet.network)
    }

    /// Takes off the outer header and its extensions: the inner packet stays where it is.
    @inline(__always)
    private static func strip(_ packet: inout Packet) {
        packet.start &+= packet.payloadOffset
        packet.length &-= packet.payloadOffset
    }

    /// The routing header that Parse has checked.
    @inline(__always) @_lifetime(borrow frame)
    private static func header(_ frame: borrowing MutableRawSpan, _ packet: Packet) -> SRHView? {
        SRHView(
            frame.bytes.extracting(
                packet.network &+ Int(packet.routingOffset)..<packet.network &+ Int(packet.ipLength)))
    }
}
