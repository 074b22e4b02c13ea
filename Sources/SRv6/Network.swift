// SPDX-License-Identifier: Apache-2.0
import Wire

/// A network interface.
public struct Link: Hashable, Sendable {
    public var index: Int
    public var name: String
    /// Zero for interfaces without one.
    public var mac: MACAddress
    /// Octets of the largest IP packet.
    public var mtu: Int
    /// Administratively up and with a carrier.
    public var isUp: Bool
    /// Index of the bridge, bond or VRF that it is enslaved to.
    public var master: Int?
    /// `veth`, `vlan`, `tun` and so on; empty for hardware.
    public var kind: String
    public var isLoopback: Bool

    public init(
        index: Int, name: String, mac: MACAddress, mtu: Int, isUp: Bool, master: Int? = nil, kind: String = "",
        isLoopback: Bool = false
    ) {
        self.index = index
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.isUp = isUp
        self.master = master
        self.kind = kind
        self.isLoopback = isLoopback
    }
}

/// An address of the node itself.
public struct InterfaceAddress: Hashable, Sendable {
    public var linkIndex: Int
    public var address: IPAddress
    public var prefixLength: Int

    public init(linkIndex: Int, address: IPAddress, prefixLength: Int) {
        self.linkIndex = linkIndex
        self.address = address
        self.prefixLength = prefixLength
    }
}

/// An entry of the neighbor table.
public struct Neighbor: Hashable, Sendable {
    public struct Key: Hashable, Sendable {
        public var linkIndex: Int
        public var address: IPAddress

        public init(linkIndex: Int, address: IPAddress) {
            self.linkIndex = linkIndex
            self.address = address
        }
    }

    public var key: Key
    /// The link-layer address while the entry is usable (reachable, stale, delay, probe, permanent, noarp), else nil.
    public var mac: MACAddress?
    /// Set by somebody for good: the kernel does not look whether it is there, and nobody should ask it to.
    public var isPermanent: Bool

    public init(key: Key, mac: MACAddress?, isPermanent: Bool = false) {
        self.key = key
        self.mac = mac
        self.isPermanent = isPermanent
    }
}

/// What a route's next hop does to a packet besides sending it on.
public enum Encapsulation: Hashable, Sendable {
    case none
    /// `encap seg6`.
    case seg6(Policy)
    /// `encap seg6local`.
    case seg6local(LocalSID)
    /// Anything else; the kernel alone can execute it. The text names it.
    case other(String)
}

/// One way out of a route.
public struct NextHop: Hashable, Sendable {
    public var linkIndex: Int
    /// Nil when the destination itself is on the link.
    public var gateway: IPAddress?
    /// 1 and up.
    public var weight: Int
    public var encapsulation: Encapsulation

    public init(linkIndex: Int, gateway: IPAddress? = nil, weight: Int = 1, encapsulation: Encapsulation = .none) {
        self.linkIndex = linkIndex
        self.gateway = gateway
        self.weight = weight
        self.encapsulation = encapsulation
    }
}

/// A route of the kernel.
public struct Route: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case unicast, local, broadcast, anycast, multicast, blackhole, unreachable, prohibit
        /// Types that the engine leaves to the kernel.
        case other
    }

    /// What the kernel tells routes of one table apart by, as far as forwarding is concerned.
    public struct Key: Hashable, Sendable {
        public var table: UInt32
        public var prefix: IPPrefix
        /// Lower is preferred.
        public var metric: UInt32
        /// Routes of one prefix and metric that are not one multipath route (fe80::/64 of every link) differ in this.
        public var linkIndex: Int

        public init(table: UInt32, prefix: IPPrefix, metric: UInt32, linkIndex: Int) {
            self.table = table
            self.prefix = prefix
            self.metric = metric
            self.linkIndex = linkIndex
        }
    }

    /// The table numbers that Linux names `main` and `local`.
    public static let mainTable: UInt32 = 254
    public static let localTable: UInt32 = 255

    public var key: Key
    public var kind: Kind
    /// Empty for blackhole, unreachable and prohibit.
    public var nextHops: [NextHop]

    public init(key: Key, kind: Kind, nextHops: [NextHop]) {
        self.key = key
        self.kind = kind
        self.nextHops = nextHops
    }
}

/// One difference between what the kernel held and what it holds.
public enum NetworkChange: Hashable, Sendable {
    /// A link that is new or different.
    case link(Link)
    case linkRemoved(index: Int)
    case address(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    /// A neighbor that is new or different.
    case neighbor(Neighbor)
    case neighborRemoved(Neighbor.Key)
    /// A route that is new or different; it takes the place of the one with the same key.
    case route(Route)
    case routeRemoved(Route.Key)
    /// `ip sr tunsrc`; `::` when unset.
    case tunnelSource(IPv6Address)
    /// Whether rules beyond the kernel's own (local, main, default) select tables for a family: then forwarding by the
    /// main table alone would be wrong.
    case policyRouting(ipv4: Bool, ipv6: Bool)
}
