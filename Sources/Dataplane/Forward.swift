// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 3 for packets that just pass, and the last rewriting of all: hop limit and Ethernet header.
enum Forward {
    /// Hands the packet to the kernel when it has expired or is too big for the way out: the kernel answers with ICMP.
    @inline(__always)
    static func check(_ packet: inout Packet, _ tables: borrowing TableCopy) {
        let mtu = tables.adjacencies[Int(packet.adjacency)].mtu
        if Int(packet.ipLength) &+ Int(packet.growth) > Int(mtu) { return packet.punt() }
        switch packet.action {
        case .forward6, .forward4: if packet.hopLimit <= 1 { packet.punt() }
        default: break
        }
    }

    @inline(__always)
    static func rewrite(_ frame: inout MutableRawSpan, _ packet: Packet) {
        if packet.action == .forward6 {
            decrementHopLimit(&frame, at: packet.network)
        } else {
            IPv4View.decrementTimeToLive(&frame, at: packet.network)
        }
    }

    /// *Requires*: an IPv6 header at `offset` with a hop limit above zero.
    @inline(__always)
    static func decrementHopLimit(_ frame: inout MutableRawSpan, at offset: Int) {
        frame.setU8(frame.bytes.u8(at: offset &+ 7) &- 1, at: offset &+ 7)
    }

    /// Writes the Ethernet header in front of what is now the packet.
    @inline(__always)
    static func address(_ frame: inout MutableRawSpan, _ packet: Packet, _ adjacency: Adjacency) {
        let type = packet.action == .forward4 || packet.action == .decapsulate4 ? EtherType.ipv4 : EtherType.ipv6
        Ethernet(destination: adjacency.destination, source: adjacency.source, type: type)
            .emit(into: &frame, at: Int(packet.start))
    }
}
