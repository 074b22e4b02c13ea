// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// The state of the network as far as messages have told it. No sockets here: octets in, changes out.
struct Picture {
    /// What must be dumped again, because messages alone do not or did not tell it.
    struct Doubts: OptionSet {
        let rawValue: Int

        static let links = Doubts(rawValue: 1)
        static let addresses = Doubts(rawValue: 2)
        static let neighbors = Doubts(rawValue: 4)
        static let rules = Doubts(rawValue: 8)
        static let routes4 = Doubts(rawValue: 16)
        static let routes6 = Doubts(rawValue: 32)
        static let routes: Doubts = [.routes4, .routes6]
        static let everything: Doubts = [.links, .addresses, .neighbors, .rules, .routes]
    }

    var doubts: Doubts = []
    /// Between a dump of links and addresses and the end of the notifications that were queued before it: such a
    /// notification tells nothing new, but routes may have changed with it after older news of them were queued.
    private var isCatchingUp = false
    private var links = Ledger<Int, HeldLink>()
    /// The peers of each address.
    private var addresses = Ledger<InterfaceAddress, Set<IPAddress>>()
    private var neighbors = Ledger<Neighbor.Key, Neighbor>()
    private var routes4 = RouteTable(isIPv6: false)
    private var routes6 = RouteTable(isIPv6: true)
    // Ledgers of one entry.
    private var tunnelSources = Ledger<Bool, IPv6Address>()
    private var policies = Ledger<Bool, Policies>()

    private struct Policies: Equatable {
        var ipv4 = false
        var ipv6 = false
    }

    // MARK: Notifications

    /// Takes one notification in.
    mutating func apply(_ header: MessageHeader, _ payload: RawSpan) {
        switch Int(header.type) {
        case RTM_NEWLINK: if let link = decodeLink(payload) { learn(link) }
        case RTM_DELLINK: if let link = decodeLink(payload) { forgetLink(link.link.index) }
        case RTM_NEWADDR: if let address = decodeAddress(payload) { learn(address) }
        case RTM_DELADDR: if let address = decodeAddress(payload) { forget(address) }
        case RTM_NEWNEIGH: if let neighbor = decodeNeighbor(payload) { neighbors[neighbor.key] = neighbor }
        case RTM_DELNEIGH: if let neighbor = decodeNeighbor(payload) { neighbors[neighbor.key] = nil }
        case RTM_NEWRULE, RTM_DELRULE: doubts.insert(.rules)
        case RTM_NEWROUTE, RTM_DELROUTE: applyRoute(header, payload)
        case RTM_NEWNEXTHOP where header.has(NLM_F_REPLACE), RTM_DELNEXTHOP:
            // A nexthop object takes routes along that nobody speaks of.
            if routes4.hasNexthopObjects { doubts.insert(.routes4) }
            if routes6.hasNexthopObjects { doubts.insert(.routes6) }
        default: break
        }
    }

    private mutating func applyRoute(_ header: MessageHeader, _ payload: RawSpan) {
        guard let (key, route) = decodeRoute(payload) else { return }
        let isNew = Int(header.type) == RTM_NEWROUTE
        let replaces = header.has(NLM_F_REPLACE)
        switch key.prefix.address {
        case .v4:
            let isClear = isNew ? routes4.learn(route, in: key, replaces: replaces) : routes4.forget(route, in: key)
            if !isClear { doubts.insert(.routes4) }
        case .v6:
            let isClear = isNew ? routes6.learn(route, in: key, replaces: replaces) : routes6.forget(route, in: key)
            if !isClear { doubts.insert(.routes6) }
        }
    }

    /// Routes over a link that loses or gains its carrier, or that goes down while they have other links besides,
    /// change without a word, and so do IPv4's when their link goes.
    private mutating func learn(_ new: HeldLink) {
        if let old = links[new.link.index] {
            var renamed = old
            renamed.link.name = new.link.name
            renamed.link.mac = new.link.mac
            if renamed != new || isCatchingUp { doubts.insert(.routes) }
        }
        links[new.link.index] = new
    }

    private mutating func forgetLink(_ index: Int) {
        guard links[index] != nil || isCatchingUp else { return }
        links[index] = nil
        for key in addresses.held.keys where key.linkIndex == index { addresses[key] = nil }
        for key in neighbors.held.keys where key.linkIndex == index { neighbors[key] = nil }
        doubts.insert(.routes)
    }

    /// A first IPv4 address on a link brings next hops back to life without a word.
    private mutating func learn(_ address: HeldAddress) {
        var peers = addresses[address.address] ?? []
        guard peers.insert(address.peer).inserted || isCatchingUp else { return }
        addresses[address.address] = peers
        if case .v4 = address.address.address { doubts.insert(.routes4) }
    }

    /// Routes that prefer the address as source go with it, IPv4's without a word.
    private mutating func forget(_ address: HeldAddress) {
        var peers = addresses[address.address] ?? []
        guard peers.remove(address.peer) != nil || isCatchingUp else { return }
        addresses[address.address] = peers.isEmpty ? nil : peers
        switch address.address.address {
        case .v4: doubts.insert(.routes4)
        case .v6: doubts.insert(.routes6)
        }
    }

    /// The queue of notifications has been read empty.
    mutating func caughtUp() { isCatchingUp = false }

    // MARK: Dumps

    mutating func replaceLinks(with dump: [HeldLink]) {
        isCatchingUp = true
        links.replaceAll(with: Dictionary(dump.map { ($0.link.index, $0) }) { _, last in last })
    }

    mutating func replaceAddresses(with dump: [HeldAddress]) {
        isCatchingUp = true
        var fresh: [InterfaceAddress: Set<IPAddress>] = [:]
        for address in dump { fresh[address.address, default: []].insert(address.peer) }
        addresses.replaceAll(with: fresh)
    }

    mutating func replaceNeighbors(with dump: [Neighbor]) {
        neighbors.replaceAll(with: Dictionary(dump.map { ($0.key, $0) }) { _, last in last })
    }

    mutating func replaceRules(with dump: [Rule]) {
        policies[true] = Policies(
            ipv4: isPolicyRouting(dump.filter { $0.family == AF_INET }),
            ipv6: isPolicyRouting(dump.filter { $0.family == AF_INET6 }))
    }

    /// *Requires*: of `dump`, that it is a dump of the family; `isWhole` is false when the kernel changed its routes
    /// under the dump, so that some may be missing.
    mutating func replaceRoutes(isIPv6: Bool, with dump: RouteTable.Groups, isWhole: Bool) {
        switch (isIPv6, isWhole) {
        case (false, true): routes4.replaceAll(with: dump)
        case (false, false): routes4.merge(dump)
        case (true, true): routes6.replaceAll(with: dump)
        case (true, false): routes6.merge(dump)
        }
    }

    mutating func setTunnelSource(_ address: IPv6Address) { tunnelSources[true] = address }

    // MARK: Changes

    /// The differences since the last call: links, addresses, neighbors, tunnel source, rules, routes; of each kind
    /// what is new or different first, then what is gone.
    mutating func takeChanges() -> [NetworkChange] {
        let linkChanges = links.takeChanges().sorted { $0.key < $1.key }
        var changes: [NetworkChange] = []
        for (_, old, new) in linkChanges {
            if let new, old?.link != new.link { changes.append(.link(new.link)) }
        }
        for (index, _, new) in linkChanges where new == nil { changes.append(.linkRemoved(index: index)) }
        let addressChanges = addresses.takeChanges()
        for (address, old, _) in addressChanges where old == nil { changes.append(.address(address)) }
        for (address, _, new) in addressChanges where new == nil { changes.append(.addressRemoved(address)) }
        let neighborChanges = neighbors.takeChanges()
        for case (_, _, let new?) in neighborChanges { changes.append(.neighbor(new)) }
        for (key, _, new) in neighborChanges where new == nil { changes.append(.neighborRemoved(key)) }
        for case (_, _, let source?) in tunnelSources.takeChanges() { changes.append(.tunnelSource(source)) }
        for case (_, _, let new?) in policies.takeChanges() {
            changes.append(.policyRouting(ipv4: new.ipv4, ipv6: new.ipv6))
        }
        return changes + routes4.takeChanges() + routes6.takeChanges()
    }
}
