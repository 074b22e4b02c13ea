// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

extension LosslessStringConvertible {
    /// Parses a field of a message.
    fileprivate init(_ text: String, at path: String, expected: String) throws(ConfigurationError) {
        guard let value = Self(text) else {
            throw ConfigurationError(field: path, found: text.quoted, expected: expected)
        }
        self = value
    }
}

extension Srv6pm_V1_Port {
    public init(_ port: PortStatus) {
        self.init()
        name = port.name
        linkIndex = UInt32(clamping: port.linkIndex)
        mac = port.mac.description
        mtu = UInt32(clamping: port.mtu)
        up = port.isUp
        queues = UInt32(clamping: port.queueCount)
        zeroCopy = port.isZeroCopy
        busyPolling = port.isBusyPolling
        received = Srv6pm_V1_PacketCount(port.received)
        transmitted = Srv6pm_V1_PacketCount(port.transmitted)
        receiveDrops = port.receiveDrops
    }

    public func value(at path: String) throws(ConfigurationError) -> PortStatus {
        PortStatus(
            name: name, linkIndex: Int(linkIndex),
            mac: try MACAddress(mac, at: "\(path).mac", expected: "a MAC address"), mtu: Int(mtu), isUp: up,
            queueCount: Int(queues), isZeroCopy: zeroCopy, isBusyPolling: busyPolling, received: received.value,
            transmitted: transmitted.value, receiveDrops: receiveDrops)
    }
}

extension Srv6pm_V1_LocalSID {
    /// The name of the behavior is for people and is not read back.
    public init(_ local: LocalSID) {
        self.init()
        behavior = UInt32(local.behavior.rawValue)
        behaviorName = local.behavior.name
        if let value = local.table { table = value }
        if let value = local.nextHop6 { nextHop6 = value.description }
        if let value = local.nextHop4 { nextHop4 = value.description }
        if let value = local.linkIndex { linkIndex = UInt32(clamping: value) }
        if let value = local.kernelOnly { kernelOnly = value }
    }

    public func value(at path: String) throws(ConfigurationError) -> LocalSID {
        guard let code = UInt16(exactly: behavior), let known = Behavior(rawValue: code) else {
            throw ConfigurationError(
                field: "\(path).behavior", found: "\(behavior)", expected: "the code point of a known behavior")
        }
        var local = LocalSID(behavior: known)
        if hasTable { local.table = table }
        if hasNextHop6 {
            local.nextHop6 = try IPv6Address(nextHop6, at: "\(path).next_hop6", expected: "an IPv6 address")
        }
        if hasNextHop4 {
            local.nextHop4 = try IPv4Address(nextHop4, at: "\(path).next_hop4", expected: "an IPv4 address")
        }
        if hasLinkIndex { local.linkIndex = Int(linkIndex) }
        if hasKernelOnly { local.kernelOnly = kernelOnly }
        return local
    }
}

extension Srv6pm_V1_NextHop {
    public init(_ hop: NextHop) {
        self.init()
        linkIndex = UInt32(clamping: hop.linkIndex)
        if let value = hop.gateway { gateway = value.description }
        weight = UInt32(clamping: hop.weight)
        switch hop.encapsulation {
        case .none: break
        case .seg6(let policy): seg6 = Srv6pm_V1_Policy(policy)
        case .seg6local(let local): seg6Local = Srv6pm_V1_LocalSID(local)
        case .other(let name): other = name
        }
    }

    public func value(at path: String) throws(ConfigurationError) -> NextHop {
        var hop = NextHop(linkIndex: Int(linkIndex), weight: Int(weight))
        if hasGateway { hop.gateway = try IPAddress(gateway, at: "\(path).gateway", expected: "an IP address") }
        switch encapsulation {
        case nil: break
        case .seg6(let policy): hop.encapsulation = .seg6(try policy.value(at: "\(path).seg6"))
        case .seg6Local(let local): hop.encapsulation = .seg6local(try local.value(at: "\(path).seg6local"))
        case .other(let name): hop.encapsulation = .other(name)
        }
        return hop
    }
}

extension Srv6pm_V1_Route {
    public init(_ status: RouteStatus) {
        self.init()
        table = status.route.key.table
        prefix = status.route.key.prefix.description
        metric = status.route.key.metric
        linkIndex = UInt32(clamping: status.route.key.linkIndex)
        kind = status.route.kind.rawValue
        nextHops = status.route.nextHops.map { Srv6pm_V1_NextHop($0) }
        action = status.action
    }

    public func value(at path: String) throws(ConfigurationError) -> RouteStatus {
        let key = Route.Key(
            table: table, prefix: try IPPrefix(prefix, at: "\(path).prefix", expected: "a prefix"), metric: metric,
            linkIndex: Int(linkIndex))
        guard let known = Route.Kind(rawValue: kind) else {
            throw ConfigurationError(field: "\(path).kind", found: kind.quoted, expected: "a kind of route")
        }
        var hops: [NextHop] = []
        for (index, hop) in nextHops.enumerated() { hops.append(try hop.value(at: "\(path).next_hops[\(index)]")) }
        return RouteStatus(route: Route(key: key, kind: known, nextHops: hops), action: action)
    }
}

extension Srv6pm_V1_LocalSIDStatus {
    public init(_ status: SIDStatus) {
        self.init()
        table = status.table
        prefix = status.prefix.description
        localSid = Srv6pm_V1_LocalSID(status.localSID)
        processed = Srv6pm_V1_PacketCount(status.processed)
        engineExecuted = status.isEngineExecuted
    }

    public func value(at path: String) throws(ConfigurationError) -> SIDStatus {
        SIDStatus(
            table: table, prefix: try IPPrefix(prefix, at: "\(path).prefix", expected: "a prefix"),
            localSID: try localSid.value(at: "\(path).local_sid"), processed: processed.value,
            isEngineExecuted: engineExecuted)
    }
}

extension Srv6pm_V1_PolicyStatus {
    public init(_ status: PolicyStatus) {
        self.init()
        policy = Srv6pm_V1_Policy(status.policy)
        prefixes = status.prefixes.map(\.description)
        monitored = status.isMonitored
    }

    public func value(at path: String) throws(ConfigurationError) -> PolicyStatus {
        var parsed: [IPPrefix] = []
        for (index, text) in prefixes.enumerated() {
            parsed.append(try IPPrefix(text, at: "\(path).prefixes[\(index)]", expected: "a prefix"))
        }
        return PolicyStatus(policy: try policy.value(at: "\(path).policy"), prefixes: parsed, isMonitored: monitored)
    }
}

// Reasons go by name: their numbers index counters and may change.
extension Srv6pm_V1_Drop {
    public init(_ status: DropStatus) {
        self.init()
        reason = status.reason.name
        packets = status.packets
    }

    public func value(at path: String) throws(ConfigurationError) -> DropStatus {
        guard let known = DropReason.allCases.first(where: { $0.name == reason }) else {
            throw ConfigurationError(field: "\(path).reason", found: reason.quoted, expected: "a known drop reason")
        }
        return DropStatus(reason: known, packets: packets)
    }
}

extension Srv6pm_V1_Worker {
    public init(_ status: WorkerStatus) {
        self.init()
        index = UInt32(clamping: status.index)
        if let value = status.core { core = UInt32(clamping: value) }
        bursts = status.bursts
        received = status.received
        transmitted = status.transmitted
        punted = status.punted
        dropped = status.dropped
        sleeps = status.sleeps
        hugepages = status.hasHugepages
    }

    public var value: WorkerStatus {
        WorkerStatus(
            index: Int(index), core: hasCore ? Int(core) : nil, bursts: bursts, received: received,
            transmitted: transmitted, punted: punted, dropped: dropped, sleeps: sleeps, hasHugepages: hugepages)
    }
}
