// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Turns the kernel's state into table changes: what a route, a neighbor or a SID means to the engine.
///
/// Keeps every index that the tables use, and counts who refers to it, so that a change costs what it touches.
struct Control {
    /// A prefix in a lookup view.
    struct Place: Hashable {
        var slot: Int
        var prefix: IPPrefix
    }

    /// A table of one family.
    struct TableID: Hashable {
        var table: UInt32
        var isIPv6: Bool
    }

    /// A local SID that has counters.
    struct SIDState {
        var index: Int
        var localSID: LocalSID
        var table: UInt32
        var isEngineExecuted: Bool
        /// The counters' values when the SID came: indices are used again.
        var base: PacketCount
    }

    struct PolicyState {
        var index: Int
        var template: Int
        /// Routes that apply it.
        var places: Set<Place> = []
    }

    struct AdjacencyState {
        var index: Int
        /// Routes that name it as their gateway.
        var references = 0
        /// Port under which it can be found as a neighbor, nil while it cannot.
        var publishedPort: Int?
    }

    let configuration: DataplaneConfiguration
    /// Reads a SID's counters: packets and octets of all workers.
    let sidCount: (Int) -> PacketCount
    let report: Dataplane.Report

    private(set) var links: [Int: Link] = [:]
    /// Index of the engine's port on a link.
    private(set) var ports: [Int: Int] = [:]
    /// The links whose sockets are open, with their ports; nil until the ports are opened, when names decide.
    private var openLinks: [Int: Int]?
    private(set) var addresses: [IPv6Address: Int] = [:]
    private(set) var tunnelSource = IPv6Address.unspecified

    private var neighbors: [Neighbor.Key: MACAddress] = [:]
    /// Neighbors that the kernel holds without looking for them.
    private var permanent: Set<Neighbor.Key> = []
    private var adjacencies: [Neighbor.Key: AdjacencyState] = [:]
    private var adjacencyIndices = IndexPool()
    private var adjacenciesByLink: [Int: Set<Neighbor.Key>] = [:]

    /// Candidates by place, the one in force first.
    private(set) var routes: [Place: [Route]] = [:]
    /// What is in the tables for a place, and what it refers to.
    private var installed: [Place: Installed] = [:]
    private var placesByLink: [Int: Set<Place>] = [:]
    private var slots: [TableID: Int] = [:]
    private var slotCount = 2

    private(set) var policies: [Policy: PolicyState] = [:]
    private var policyIndices = IndexPool()
    private var templates = TemplateArena()
    private(set) var sids: [Place: SIDState] = [:]
    private var sidIndices = IndexPool()
    /// Egress counters of monitored policies.
    private var flows: [Policy: UInt32] = [:]

    private var changes: [TableChange] = []

    private struct Installed {
        var entry: ForwardingEntry
        var gateway: Neighbor.Key?
        var policy: Policy?
        var link: Int?
        var isLocalSID = false
    }

    init(
        _ configuration: DataplaneConfiguration, sidCount: @escaping (Int) -> PacketCount,
        report: @escaping Dataplane.Report
    ) {
        self.configuration = configuration
        self.sidCount = sidCount
        self.report = report
        for table in [Route.mainTable, Route.localTable, 253] {
            slots[TableID(table: table, isIPv6: true)] = TableCopy.main6
            slots[TableID(table: table, isIPv6: false)] = TableCopy.main4
        }
    }

    /// The table changes that bring the tables up to date. *Cost*: what the changes touch.
    mutating func apply(_ network: [NetworkChange]) -> [TableChange] {
        for change in network {
            switch change {
            case .link(let link): update(link)
            case .linkRemoved(let index): removeLink(index)
            case .address(let address): addresses[address.address.mapped, default: 0] += 1
            case .addressRemoved(let address): removeAddress(address.address.mapped)
            case .neighbor(let neighbor):
                update(neighbor.key, mac: neighbor.mac)
                if neighbor.isPermanent { permanent.insert(neighbor.key) } else { permanent.remove(neighbor.key) }
            case .neighborRemoved(let key):
                update(key, mac: nil)
                permanent.remove(key)
            case .route(let route): update(route)
            case .routeRemoved(let key): remove(key)
            case .tunnelSource(let source): update(tunnelSource: source)
            case .policyRouting(let ipv4, let ipv6):
                let families = [(ipv6, "IPv6"), (ipv4, "IPv4")].filter(\.0).map(\.1).joined(separator: " and ")
                if !families.isEmpty { report("policy routing rules are in force: the kernel forwards \(families)") }
                changes.append(.forwarding(ipv6: !ipv6, ipv4: !ipv4))
            }
        }
        defer { changes = [] }
        return changes
    }

    /// All routes, with what the engine does about each.
    func routeStatus() -> [RouteStatus] {
        routes.flatMap { place, candidates in
            candidates.enumerated().map { index, route in
                RouteStatus(
                    route: route, action: index == 0 ? action(of: route, at: place) : "unused: another is preferred")
            }
        }
    }

    /// What the engine does with the route in force at a place, for people: an action of its own, or the kernel and why.
    private func action(of route: Route, at place: Place) -> String {
        switch route.kind {
        case .blackhole: return "drop"
        case .unicast: break
        default: return "kernel: \(route.kind.rawValue)"
        }
        guard route.nextHops.count == 1, let hop = route.nextHops.first else {
            return route.nextHops.isEmpty ? "kernel: no next hop" : "kernel: several next hops"
        }
        switch hop.encapsulation {
        case .none: return ports[hop.linkIndex] == nil ? "kernel: not a port" : "forward"
        case .seg6(let policy):
            guard policy.mode == .encap || policy.mode == .encapRed else {
                return "kernel: mode \(policy.mode.rawValue)"
            }
            return tunnelSource.isUnspecified ? "kernel: no tunnel source" : "encap"
        case .seg6local(let localSID):
            if let reason = localSID.kernelOnly { return "kernel: \(reason)" }
            let isExecuted = sids[place]?.isEngineExecuted == true
            return isExecuted ? localSID.behavior.name : "kernel: \(localSID.behavior.name)"
        case .other(let name): return "kernel: \(name)"
        }
    }

    /// Neighbors that packets can be sent to and that can go away, with the indices of their adjacencies.
    func mortalNeighbors() -> [(key: Neighbor.Key, index: Int)] {
        adjacencies.compactMap { key, state in
            state.publishedPort == nil || permanent.contains(key) ? nil : (key, state.index)
        }
    }

    /// From here on the ports are these links.
    mutating func open(_ links: [Int: Int]) { openLinks = links }

    /// The changes that make a policy's packets count for a flow, or for none.
    mutating func setFlow(_ flow: UInt32?, of policy: Policy) -> [TableChange] {
        flows[policy] = flow
        defer { changes = [] }
        if let state = policies[policy] { install(policy, state) }
        return changes
    }

    // MARK: Links and neighbors

    private mutating func update(_ link: Link) {
        let old = links[link.index]
        links[link.index] = link
        let named = configuration.ports.firstIndex { $0.name == link.name }
        // A socket stays with its link, whatever bears the name later.
        let port = openLinks.map { $0[link.index] } ?? named
        if port == nil, named != nil, old == nil {
            report("\(link.name) is a new interface: the kernel forwards there until the daemon is started again")
        }
        if port != ports[link.index] {
            ports[link.index] = port
            for key in adjacenciesByLink[link.index] ?? [] { publish(key) }
            for place in placesByLink[link.index] ?? [] { reinstall(place) }
        } else if old != link, port != nil {
            for key in adjacenciesByLink[link.index] ?? [] { publish(key) }
        }
    }

    private mutating func removeLink(_ index: Int) {
        let link = links.removeValue(forKey: index)
        guard ports.removeValue(forKey: index) != nil else { return }
        if openLinks != nil { report("port \(link?.name ?? "") is gone: what goes there is the kernel's") }
        for key in adjacenciesByLink[index] ?? [] { publish(key) }
        for place in placesByLink[index] ?? [] { reinstall(place) }
    }

    private mutating func removeAddress(_ address: IPv6Address) {
        guard let count = addresses[address] else { return }
        addresses[address] = count > 1 ? count - 1 : nil
    }

    private mutating func update(_ key: Neighbor.Key, mac: MACAddress?) {
        guard neighbors[key] != mac else { return }
        let wasKnown = neighbors[key] != nil
        neighbors[key] = mac
        if mac != nil, adjacencies[key] == nil { adjacencies[key] = makeAdjacency(key) }
        publish(key)
        if wasKnown && mac == nil { releaseAdjacency(key) }
    }

    private mutating func makeAdjacency(_ key: Neighbor.Key) -> AdjacencyState {
        adjacenciesByLink[key.linkIndex, default: []].insert(key)
        return AdjacencyState(index: adjacencyIndices.take())
    }

    private mutating func releaseAdjacency(_ key: Neighbor.Key) {
        guard let state = adjacencies[key], state.references == 0, neighbors[key] == nil else { return }
        adjacencies[key] = nil
        adjacenciesByLink[key.linkIndex]?.remove(key)
        adjacencyIndices.give(state.index)
    }

    /// Puts a neighbor into the tables as it is known now.
    private mutating func publish(_ key: Neighbor.Key) {
        guard let state = adjacencies[key] else { return }
        var adjacency = Adjacency.unresolved
        if let mac = neighbors[key], let link = links[key.linkIndex], let port = ports[key.linkIndex], link.isUp {
            adjacency = Adjacency(
                destination: mac, source: link.mac, mtu: UInt32(link.mtu), port: UInt16(port), isResolved: true)
        }
        changes.append(.adjacency(index: state.index, adjacency))
        let port = adjacency.isResolved ? ports[key.linkIndex] : nil
        guard port != state.publishedPort else { return }
        let address = key.address.mapped
        if let old = state.publishedPort { changes.append(.neighborRemoved(address, port: UInt32(old))) }
        if let port { changes.append(.neighbor(address, port: UInt32(port), adjacency: UInt32(state.index))) }
        adjacencies[key]?.publishedPort = port
    }

    // MARK: Routes

    /// The lookup view of a table: the local, main and default tables are one, as the kernel's rules make them.
    private mutating func slot(_ id: TableID) -> Int {
        if let slot = slots[id] { return slot }
        let slot = slotCount
        slotCount += 1
        slots[id] = slot
        changes.append(.addTable(slot: slot))
        return slot
    }

    private mutating func place(_ key: Route.Key) -> Place {
        let isIPv6 = if case .v6 = key.prefix.address { true } else { false }
        return Place(slot: slot(TableID(table: key.table, isIPv6: isIPv6)), prefix: key.prefix)
    }

    private mutating func update(_ route: Route) {
        let place = place(route.key)
        var candidates = routes[place] ?? []
        candidates.removeAll { $0.key == route.key }
        candidates.append(route)
        candidates.sort { Self.rank($0) < Self.rank($1) }
        routes[place] = candidates
        reinstall(place)
    }

    private mutating func remove(_ key: Route.Key) {
        let place = place(key)
        routes[place]?.removeAll { $0.key == key }
        if routes[place]?.isEmpty == true { routes[place] = nil }
        reinstall(place)
    }

    /// Order among routes of one place: the local table is looked at first, then main, then default; then by metric.
    private static func rank(_ route: Route) -> (Int, UInt32, Int) {
        let table =
            switch route.key.table {
            case Route.localTable: 0
            case 253: 2
            default: 1
            }
        return (table, route.key.metric, route.key.linkIndex)
    }

    /// Makes the tables hold the place's route in force.
    private mutating func reinstall(_ place: Place) {
        let old = installed[place]
        let new = routes[place]?.first.map { resolve($0, at: place) }
        if let new {
            changes.append(
                .route(
                    slot: place.slot, key: FIBKey(place.prefix.address), length: place.prefix.length, entry: new.entry))
            if isMainSID(new, place) { changes.append(.localSID(place.prefix.address.mapped, entry: new.entry)) }
        } else if old != nil {
            changes.append(
                .routeRemoved(slot: place.slot, key: FIBKey(place.prefix.address), length: place.prefix.length))
        }
        if let old {
            if isMainSID(old, place), new.map({ isMainSID($0, place) }) != true {
                changes.append(.localSIDRemoved(place.prefix.address.mapped))
            }
            release(old, at: place, keeping: new)
        }
        installed[place] = new
        if let link = new?.link { placesByLink[link, default: []].insert(place) }
    }

    private func isMainSID(_ installed: Installed, _ place: Place) -> Bool {
        installed.isLocalSID && place.slot == TableCopy.main6 && place.prefix.length == 128
    }

    private mutating func release(_ old: Installed, at place: Place, keeping new: Installed?) {
        if let gateway = old.gateway {
            adjacencies[gateway]?.references -= 1
            releaseAdjacency(gateway)
        }
        if let policy = old.policy, new?.policy != policy { release(policy, at: place) }
        if old.isLocalSID, new?.isLocalSID != true { releaseSID(place) }
        if let link = old.link, new?.link != link { placesByLink[link]?.remove(place) }
    }

    /// What the engine does with a route. References are taken here, and given back by `release`.
    private mutating func resolve(_ route: Route, at place: Place) -> Installed {
        guard route.kind == .unicast else {
            return Installed(entry: route.kind == .blackhole ? ForwardingEntry(kind: .blackhole, object: 0) : .kernel)
        }
        guard route.nextHops.count == 1, let hop = route.nextHops.first else { return Installed(entry: .kernel) }
        switch hop.encapsulation {
        case .none: return forward(hop)
        case .seg6(let policy): return encapsulate(policy, at: place, link: hop.linkIndex)
        case .seg6local(let localSID): return localSIDEntry(localSID, table: route.key.table, at: place)
        case .other: return Installed(entry: .kernel)
        }
    }

    private mutating func forward(_ hop: NextHop) -> Installed {
        guard let port = ports[hop.linkIndex] else { return Installed(entry: .kernel, link: hop.linkIndex) }
        guard let gateway = hop.gateway else {
            return Installed(entry: ForwardingEntry(kind: .connected, object: UInt32(port)), link: hop.linkIndex)
        }
        let key = Neighbor.Key(linkIndex: hop.linkIndex, address: gateway)
        var state = adjacencies[key] ?? makeAdjacency(key)
        state.references += 1
        adjacencies[key] = state
        publish(key)
        let entry = ForwardingEntry(kind: .gateway, object: UInt32(state.index))
        return Installed(entry: entry, gateway: key, link: hop.linkIndex)
    }

    private mutating func encapsulate(_ policy: Policy, at place: Place, link: Int) -> Installed {
        guard policy.mode == .encap || policy.mode == .encapRed, !tunnelSource.isUnspecified else {
            return Installed(entry: .kernel, link: link)
        }
        if policies[policy] == nil {
            let state = PolicyState(
                index: policyIndices.take(), template: templates.take(PolicyTemplate.byteCount(policy)))
            policies[policy] = state
            install(policy, state)
        }
        policies[policy]?.places.insert(place)
        let index = policies[policy]?.index ?? 0
        return Installed(entry: ForwardingEntry(kind: .encapsulate, object: UInt32(index)), policy: policy, link: link)
    }

    // MARK: Policies and SIDs

    /// Puts a policy into the tables, with the tunnel source and the flow as they are now.
    private mutating func install(_ policy: Policy, _ state: PolicyState) {
        let template = PolicyTemplate(policy, source: tunnelSource)
        let entry = PolicyEntry(
            template: UInt32(state.template), byteCount: UInt16(template.octets.count), hopLimit4: 63,
            nextHeaderOffset: UInt8(template.nextHeaderOffset), flow: flows[policy] ?? PolicyEntry.unmonitored,
            firstSegment: policy.segments.segments[0])
        changes.append(.policy(index: state.index, entry, template: template.octets))
    }

    private mutating func release(_ policy: Policy, at place: Place) {
        policies[policy]?.places.remove(place)
        guard let state = policies[policy], state.places.isEmpty else { return }
        policies[policy] = nil
        policyIndices.give(state.index)
        templates.give(state.template, byteCount: PolicyTemplate.byteCount(policy))
    }

    private mutating func update(tunnelSource source: IPv6Address) {
        guard source != tunnelSource else { return }
        tunnelSource = source
        if source.isUnspecified {
            report("no SR tunnel source is set (ip sr tunsrc set ADDRESS): the kernel encapsulates")
        }
        for (policy, state) in policies { install(policy, state) }
        for (place, candidates) in routes {
            if case .seg6? = candidates.first?.nextHops.first?.encapsulation { reinstall(place) }
        }
    }

    private mutating func localSIDEntry(_ localSID: LocalSID, table: UInt32, at place: Place) -> Installed {
        let entry = sidEntry(localSID)
        var state = sids[place] ?? newSID(localSID, table: table)
        guard state.index < Counters.maximumSIDs else {
            sidIndices.give(state.index)
            return Installed(entry: .kernel)
        }
        state.localSID = localSID
        state.isEngineExecuted = entry.action != .kernel
        sids[place] = state
        var counted = entry
        counted.counter = UInt32(state.index)
        changes.append(.sid(index: state.index, counted))
        return Installed(entry: ForwardingEntry(kind: .localSID, object: UInt32(state.index)), isLocalSID: true)
    }

    private mutating func newSID(_ localSID: LocalSID, table: UInt32) -> SIDState {
        let index = sidIndices.take()
        let base = index < Counters.maximumSIDs ? sidCount(index) : PacketCount()
        return SIDState(index: index, localSID: localSID, table: table, isEngineExecuted: false, base: base)
    }

    private mutating func releaseSID(_ place: Place) {
        guard let state = sids.removeValue(forKey: place) else { return }
        sidIndices.give(state.index)
    }

    /// What the packet path does for a behavior; the kernel does what it does not know.
    private mutating func sidEntry(_ localSID: LocalSID) -> SIDEntry {
        var entry = SIDEntry(
            action: .kernel, table: UInt16(TableCopy.main6), nextHop: FIBKey(IPv6Address.unspecified),
            hasNextHop: false, counter: 0)
        guard localSID.kernelOnly == nil else { return entry }
        if let nextHop = localSID.nextHop6, !nextHop.isUnspecified {
            entry.nextHop = FIBKey(nextHop)
            entry.hasNextHop = true
        }
        switch localSID.behavior {
        case .end: entry.action = .end
        case .endX: entry.action = entry.hasNextHop && localSID.linkIndex == nil ? .endX : .kernel
        case .endDX6: entry.action = localSID.linkIndex == nil ? .decapsulateCross6 : .kernel
        case .endDX4:
            entry.action = .decapsulateCross4
            entry.table = UInt16(TableCopy.main4)
            if let nextHop = localSID.nextHop4, nextHop.value != 0 {
                entry.nextHop = FIBKey(nextHop)
                entry.hasNextHop = true
            }
        case .endDT6:
            guard let table = localSID.table else { break }
            entry.action = .decapsulateTable6
            entry.table = UInt16(slot(TableID(table: table, isIPv6: true)))
        default: break
        }
        return entry
    }
}

/// Small numbers, given out lowest first and used again.
struct IndexPool {
    private var next = 0
    private var free: [Int] = []

    mutating func take() -> Int {
        if let index = free.popLast() { return index }
        defer { next += 1 }
        return next
    }

    mutating func give(_ index: Int) { free.append(index) }
}
