// SPDX-License-Identifier: Apache-2.0
// Which routes a family holds, kept by notifications.
//
// A notification does not always say what became of the routes beside the one it is about: which of several was
// replaced, or where in the order a new one went. Where it does not, nothing is guessed: the table says so, and the
// caller dumps the family anew.
//
//   IPv6  RTM_NEWROUTE of a route with gateways shows all siblings, the old ones too. RTM_DELROUTE shows all when all
//         go, one when one goes. NLM_F_REPLACE takes the place of the first route of the metric, of any link.
//   IPv4  A multipath route is one object and every notification shows all of it. NLM_F_REPLACE takes the place of
//         the first route of the metric; NLM_F_APPEND goes last, anything else first, and the first wins.

import CMNL
import SRv6
import Wire

/// The routes of one family, all tables.
struct RouteTable {
    typealias Groups = [RouteGroupKey: [HeldRoute]]

    let isIPv6: Bool
    private var groups = Ledger<RouteGroupKey, [HeldRoute]>()
    /// Whether any route since the last dump came from a nexthop object.
    private(set) var hasNexthopObjects = false

    init(isIPv6: Bool) { self.isIPv6 = isIPv6 }

    /// Takes RTM_NEWROUTE in.
    ///
    /// *Returns*: false when the message does not tell what is held now; then nothing has changed here.
    mutating func learn(_ route: HeldRoute, in key: RouteGroupKey, replaces: Bool) -> Bool {
        if route.hasNexthopObject { hasNexthopObjects = true }
        var group = groups[key] ?? []
        if group.isEmpty {
            group = [route]
        } else if replaces || !isIPv6 {
            // Of IPv4 without NLM_F_REPLACE, only news of the very same route is clear.
            guard group.count == 1, group[0].selector == route.selector,
                replaces || route.covers(group[0]) && group[0].covers(route)
            else { return false }
            group = [route]
        } else {
            let places = group.indices.filter {
                group[$0].linkIndex == route.linkIndex && group[$0].selector == route.selector
            }
            switch places.count {
            case 0: group.append(route)
            case 1 where route.covers(group[places[0]]): group[places[0]] = route
            default: return false
            }
        }
        groups[key] = group
        return true
    }

    /// Takes RTM_DELROUTE in.
    ///
    /// *Returns*: as ``learn(_:in:replaces:)``.
    mutating func forget(_ route: HeldRoute, in key: RouteGroupKey) -> Bool {
        guard var group = groups[key] else { return true }
        let places = group.indices.filter { group[$0].covers(route) }
        guard places.count == 1, isIPv6 || group.count == 1 else { return false }
        let place = places[0]
        if route.covers(group[place]) {
            group.remove(at: place)
        } else if isIPv6 {
            group[place].nextHops.removeAll { hop in route.nextHops.contains { $0.isSameWay(as: hop) } }
        } else {
            return false
        }
        groups[key] = group.isEmpty ? nil : group
        return true
    }

    /// Makes a complete dump what is held.
    mutating func replaceAll(with dump: Groups) {
        hasNexthopObjects = dump.values.contains { $0.contains(where: \.hasNexthopObject) }
        groups.replaceAll(with: dump)
    }

    /// Takes in a dump that may lack routes: what it shows is so, what it does not show may be so too.
    mutating func merge(_ dump: Groups) {
        for (key, group) in dump where groups[key] != group { groups[key] = group }
    }

    /// The differences since the last call.
    mutating func takeChanges() -> [NetworkChange] {
        var changes: [NetworkChange] = []
        var removals: [NetworkChange] = []
        for (key, old, new) in groups.takeChanges() {
            let before = Self.routes(of: old ?? [], in: key)
            let after = Self.routes(of: new ?? [], in: key)
            for route in after where !before.contains(route) { changes.append(.route(route)) }
            for route in before where !after.contains(where: { $0.key == route.key }) {
                removals.append(.routeRemoved(route.key))
            }
        }
        return changes + removals
    }

    /// What a group means for forwarding.
    ///
    /// Where one key stands for several routes and only the kernel knows which one it takes, the result is one route
    /// of kind `other`: selectors, router advertisements of several routers.
    static func routes(of group: [HeldRoute], in key: RouteGroupKey) -> [Route] {
        guard let first = group.first else { return [] }
        if group.contains(where: { $0.selector != nil }) { return [leftToKernel(key, linkIndex: 0)] }
        if case .v4 = key.prefix.address { return [usable(group.first { !$0.isDead } ?? first, in: key)] }
        if group.count == 1 { return [usable(first, in: key)] }
        var routes: [Route] = []
        for route in group where !routes.contains(where: { $0.key.linkIndex == route.linkIndex }) {
            let isAlone = group.count { $0.linkIndex == route.linkIndex } == 1
            routes.append(isAlone ? usable(route, in: key) : leftToKernel(key, linkIndex: route.linkIndex))
        }
        return routes
    }

    /// The route without its dead next hops.
    private static func usable(_ route: HeldRoute, in key: RouteGroupKey) -> Route {
        Route(
            key: Route.Key(table: key.table, prefix: key.prefix, metric: key.metric, linkIndex: route.linkIndex),
            kind: route.kind, nextHops: route.nextHops.filter { !$0.isDead }.map(\.nextHop))
    }

    private static func leftToKernel(_ key: RouteGroupKey, linkIndex: Int) -> Route {
        Route(
            key: Route.Key(table: key.table, prefix: key.prefix, metric: key.metric, linkIndex: linkIndex),
            kind: .other, nextHops: [])
    }
}
