// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 2: which of the node's instructions the destination names: forward, encapsulate, a local SID, or the kernel.
enum Classify {
    /// Fetches what the lookup will touch first.
    @inline(__always)
    static func prefetch(_ packet: borrowing Packet, _ tables: borrowing TableCopy) {
        // A small table is in the cache already.
        guard tables.localSIDs.count > 1024, packet.isIPv6 else { return }
        tables.localSIDs.prefetch(IPv6Address(high: packet.destination.high, low: packet.destination.low), tag: 0)
    }

    @inline(__always)
    static func classify(_ packet: inout Packet, _ tables: borrowing TableCopy) {
        guard packet.isIPv6 ? tables.forwards6 : tables.forwards4 else { return packet.punt() }
        let entry = lookup(packet, tables)
        packet.key = packet.destination
        packet.table = UInt16(truncatingIfNeeded: packet.isIPv6 ? TableCopy.main6 : TableCopy.main4)
        packet.object = entry.object
        switch entry.kind {
        case .gateway, .connected:
            packet.action = packet.isIPv6 ? .forward6 : .forward4
            Resolve.take(entry, neighbor: neighbor(packet), &packet, tables)
        case .encapsulate: packet.action = packet.isIPv6 ? .encapsulate6 : .encapsulate4
        case .localSID: packet.action = .end
        case .kernel: packet.punt()
        case .blackhole: packet.drop(.blackhole)
        }
    }

    @inline(__always)
    private static func lookup(_ packet: borrowing Packet, _ tables: borrowing TableCopy) -> ForwardingEntry {
        var slot = TableCopy.main4
        if packet.isIPv6 {
            let destination = IPv6Address(high: packet.destination.high, low: packet.destination.low)
            let sid = tables.localSIDs.lookup(destination, tag: 0)
            if sid != AddressTable.none { return ForwardingEntry(value: sid) }
            slot = TableCopy.main6
        }
        return ForwardingEntry(value: tables.fib.lookup(packet.destination, table: slot))
    }

    /// The packet's own destination as a neighbor's address.
    @inline(__always)
    private static func neighbor(_ packet: borrowing Packet) -> IPv6Address {
        packet.isIPv6
            ? IPv6Address(high: packet.destination.high, low: packet.destination.low)
            : IPAddress.v4(IPv4Address(UInt32(truncatingIfNeeded: packet.destination.high >> 32))).mapped
    }
}

/// From a forwarding entry to the adjacency that a packet leaves by.
enum Resolve {
    /// The second lookup: `packet.key` in `packet.table`. Only a route that forwards will do; anything else is left to
    /// the kernel with the packet as it came.
    @inline(__always)
    static func resolve(_ packet: inout Packet, _ tables: borrowing TableCopy) {
        let entry = ForwardingEntry(value: tables.fib.lookup(packet.key, table: Int(packet.table)))
        switch entry.kind {
        case .gateway, .connected: take(entry, neighbor: packet.neighbor, &packet, tables)
        case .blackhole: packet.drop(.blackhole)
        case .encapsulate, .localSID, .kernel: packet.puntUnresolved()
        }
    }

    /// Sets the adjacency of an entry that forwards, or hands the packet to the kernel to resolve the neighbor.
    ///
    /// *Requires*: `entry` is of kind `gateway` or `connected`.
    @inline(__always)
    static func take(
        _ entry: ForwardingEntry, neighbor: IPv6Address, _ packet: inout Packet, _ tables: borrowing TableCopy
    ) {
        var index = entry.object
        if entry.kind == .connected {
            let found = tables.neighbors.lookup(neighbor, tag: entry.object)
            guard found != AddressTable.none else { return packet.puntUnresolved() }
            index = found &- 1
        }
        packet.adjacency = index
        guard tables.adjacencies[Int(index)].isResolved else { return packet.puntUnresolved() }
    }
}
