// SPDX-License-Identifier: Apache-2.0
import Wire

/// A port of a data plane as an operator sees it.
public struct PortStatus: Hashable, Sendable {
    public var name: String
    public var linkIndex: Int
    public var mac: MACAddress
    public var mtu: Int
    public var isUp: Bool
    public var queueCount: Int
    /// Whether frames are exchanged with the driver without a copy.
    public var isZeroCopy: Bool
    /// Whether workers spin on the port instead of sleeping.
    public var isBusyPolling: Bool
    public var received: PacketCount
    public var transmitted: PacketCount
    /// Packets that the kernel had for the port and could not hand over: no frame or no room in the ring.
    public var receiveDrops: UInt64

    public init(
        name: String, linkIndex: Int, mac: MACAddress, mtu: Int, isUp: Bool, queueCount: Int, isZeroCopy: Bool,
        isBusyPolling: Bool, received: PacketCount, transmitted: PacketCount, receiveDrops: UInt64
    ) {
        self.name = name
        self.linkIndex = linkIndex
        self.mac = mac
        self.mtu = mtu
        self.isUp = isUp
        self.queueCount = queueCount
        self.isZeroCopy = isZeroCopy
        self.isBusyPolling = isBusyPolling
        self.received = received
        self.transmitted = transmitted
        self.receiveDrops = receiveDrops
    }
}

/// A worker of the engine. The sums hold when the worker rests: received = transmitted + punted + dropped.
public struct WorkerStatus: Hashable, Sendable {
    public var index: Int
    /// The core that the thread is pinned to, nil when it could not be.
    public var core: Int?
    public var bursts: UInt64
    public var received: UInt64
    public var transmitted: UInt64
    public var punted: UInt64
    public var dropped: UInt64
    /// Times that the worker went to sleep for want of packets.
    public var sleeps: UInt64
    /// Whether its frames lie in hugepages.
    public var hasHugepages: Bool

    public init(
        index: Int, core: Int?, bursts: UInt64, received: UInt64, transmitted: UInt64, punted: UInt64,
        dropped: UInt64, sleeps: UInt64, hasHugepages: Bool
    ) {
        self.index = index
        self.core = core
        self.bursts = bursts
        self.received = received
        self.transmitted = transmitted
        self.punted = punted
        self.dropped = dropped
        self.sleeps = sleeps
        self.hasHugepages = hasHugepages
    }
}

/// A route as the engine executes it.
public struct RouteStatus: Hashable, Sendable {
    public var route: Route
    /// What the engine does: `forward`, `encap`, the behavior's name, or `kernel: ` and why.
    public var action: String

    public init(route: Route, action: String) {
        self.route = route
        self.action = action
    }
}

/// A policy of the node with the routes that lead into it.
public struct PolicyStatus: Hashable, Sendable {
    public var policy: Policy
    /// Prefixes whose routes apply it.
    public var prefixes: [IPPrefix]
    public var isMonitored: Bool

    public init(policy: Policy, prefixes: [IPPrefix], isMonitored: Bool) {
        self.policy = policy
        self.prefixes = prefixes
        self.isMonitored = isMonitored
    }
}

/// A local SID of the node.
public struct SIDStatus: Hashable, Sendable {
    public var table: UInt32
    public var prefix: IPPrefix
    public var localSID: LocalSID
    /// Packets and octets that the engine processed on it (RFC 8986 section 6).
    public var processed: PacketCount
    /// Whether the engine executes it; otherwise its packets go to the kernel.
    public var isEngineExecuted: Bool

    public init(
        table: UInt32, prefix: IPPrefix, localSID: LocalSID, processed: PacketCount, isEngineExecuted: Bool
    ) {
        self.table = table
        self.prefix = prefix
        self.localSID = localSID
        self.processed = processed
        self.isEngineExecuted = isEngineExecuted
    }
}

/// How many packets one reason has ended.
public struct DropStatus: Hashable, Sendable {
    public var reason: DropReason
    public var packets: UInt64

    public init(reason: DropReason, packets: UInt64) {
        self.reason = reason
        self.packets = packets
    }
}
