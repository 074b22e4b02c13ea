// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// Asks the kernel and waits for its answers. One thread at a time.
struct Kernel: ~Copyable {
    private var routing: Channel
    private var generic: Channel
    /// The generic netlink number of "SEG6"; nil before it was asked for, zero where the kernel has none.
    private var seg6Family: UInt16?

    init() throws(SystemError) {
        let routing = try Channel(bus: NETLINK_ROUTE)
        let generic = try Channel(bus: NETLINK_GENERIC)
        self.routing = routing
        self.generic = generic
    }

    // MARK: Dumps

    mutating func dumpLinks() throws(SystemError) -> Dump<HeldLink> {
        let skipStatistics = Request.octets(of: UInt32(RTEXT_FILTER_SKIP_STATS))
        return try routing.dump(
            "links", type: RTM_GETLINK, family: AF_UNSPEC, headerByteCount: 16,
            attribute: (IFLA_EXT_MASK, skipStatistics), decodeLink)
    }

    mutating func dumpAddresses() throws(SystemError) -> Dump<HeldAddress> {
        try routing.dump("addresses", type: RTM_GETADDR, family: AF_INET, headerByteCount: 8, decodeAddress)
            + routing.dump("addresses", type: RTM_GETADDR, family: AF_INET6, headerByteCount: 8, decodeAddress)
    }

    mutating func dumpNeighbors() throws(SystemError) -> Dump<Neighbor> {
        try routing.dump("neighbors", type: RTM_GETNEIGH, family: AF_INET, headerByteCount: 12, decodeNeighbor)
            + routing.dump("neighbors", type: RTM_GETNEIGH, family: AF_INET6, headerByteCount: 12, decodeNeighbor)
    }

    mutating func dumpRules() throws(SystemError) -> Dump<Rule> {
        try routing.dump("rules", type: RTM_GETRULE, family: AF_INET, headerByteCount: 12, decodeRule)
            + routing.dump("rules", type: RTM_GETRULE, family: AF_INET6, headerByteCount: 12, decodeRule)
    }

    /// Routes of all tables of a family.
    mutating func dumpRoutes(isIPv6: Bool) throws(SystemError) -> (groups: RouteTable.Groups, isWhole: Bool) {
        // Large, and changing while it is read on a busy router: an incomplete one is of use too.
        let dump = try routing.dump(
            "routes", type: RTM_GETROUTE, family: isIPv6 ? AF_INET6 : AF_INET, headerByteCount: 12, attempts: 3,
            decodeRoute)
        var groups: RouteTable.Groups = [:]
        groups.reserveCapacity(dump.items.count)
        for (key, route) in dump.items where groups[key]?.contains(route) != true {
            groups[key, default: []].append(route)
        }
        return (groups, dump.isWhole)
    }

    /// Returns when the kernel is done with the configuration change that it is at.
    ///
    /// A link's notification is sent before its routes are flushed, under a lock (RTNL) that dumps of routes do not
    /// take; asking for one link does take it.
    mutating func waitForConfiguration() throws(SystemError) {
        var fixed = [UInt8](repeating: 0, count: 16)
        // The loopback interface, which every namespace has.
        fixed.replaceSubrange(4..<8, with: Request.octets(of: Int32(1)))
        _ = try routing.exchange("wait for the kernel's configuration lock", type: RTM_GETLINK, fixed: fixed) { _ in }
    }

    // MARK: The SR tunnel source

    /// `ip sr tunsrc show`; `::` where the kernel has no SRv6.
    mutating func readTunnelSource() throws(SystemError) -> IPv6Address {
        let family = try resolveSeg6Family()
        guard family != 0 else { return .unspecified }
        var source = IPv6Address.unspecified
        _ = try generic.exchange(
            "read the SR tunnel source", type: Int(family),
            fixed: [UInt8(SEG6_CMD_GET_TUNSRC), UInt8(SEG6_GENL_VERSION), 0, 0]
        ) { payload in
            payload.forEachAttribute(from: 4) { type, value in
                if type == SEG6_ATTR_DST, case .v6(let address) = value.address { source = address }
            }
        }
        return source
    }

    private mutating func resolveSeg6Family() throws(SystemError) -> UInt16 {
        if let seg6Family { return seg6Family }
        var family: UInt16 = 0
        do throws(SystemError) {
            _ = try generic.exchange(
                "look up the netlink family SEG6", type: Int(GENL_ID_CTRL),
                fixed: [UInt8(CTRL_CMD_GETFAMILY), 1, 0, 0],
                attribute: (CTRL_ATTR_FAMILY_NAME, Array(SEG6_GENL_NAME.utf8) + [0])
            ) { payload in
                payload.forEachAttribute(from: 4) { type, value in
                    if type == CTRL_ATTR_FAMILY_ID { family = value.host16() ?? 0 }
                }
            }
        } catch {
            // A kernel without SRv6 has no such family.
            guard error.code == ENOENT else { throw error }
        }
        seg6Family = family
        return family
    }
}
