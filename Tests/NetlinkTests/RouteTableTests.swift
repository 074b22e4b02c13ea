// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@testable import Netlink

/// A route table by reference: expectations cannot call what mutates a value.
private final class Subject {
    var table: RouteTable

    init(isIPv6: Bool) { table = RouteTable(isIPv6: isIPv6) }

    func learn(_ route: HeldRoute, in key: RouteGroupKey, replaces: Bool) -> Bool {
        table.learn(route, in: key, replaces: replaces)
    }

    func forget(_ route: HeldRoute, in key: RouteGroupKey) -> Bool { table.forget(route, in: key) }

    func takeChanges() -> [NetworkChange] { table.takeChanges() }
}

/// What notifications do to the held routes, and when they do not tell enough.
struct RouteTableTests {
    private let key6 = RouteGroupKey(table: 254, prefix: IPPrefix(ip("fc00::"), length: 64), metric: 1024)
    private let key4 = RouteGroupKey(table: 254, prefix: IPPrefix(ip("10.0.0.0"), length: 8), metric: 0)

    private func held(
        _ hops: [(link: Int, gateway: String?)], selector: String? = nil, kind: Route.Kind = .unicast,
        isDead: Bool = false
    ) -> HeldRoute {
        let isOnLink = hops.count == 1 && hops[0].gateway == nil
        return HeldRoute(
            kind: kind, linkIndex: isOnLink ? hops[0].link : 0, selector: selector, hasNexthopObject: false,
            nextHops: hops.map { link, gateway in
                HeldNextHop(nextHop: NextHop(linkIndex: link, gateway: gateway.map(ip)), isDead: isDead)
            })
    }

    @Test func siblingsComeAndGo() {
        let table = Subject(isIPv6: true)
        #expect(table.learn(held([(1, "fd00::1")]), in: key6, replaces: false))
        #expect(table.learn(held([(1, "fd00::1"), (2, "fd00::2")]), in: key6, replaces: false))
        #expect(table.forget(held([(1, "fd00::1")]), in: key6))
        let key = Route.Key(table: 254, prefix: key6.prefix, metric: 1024, linkIndex: 0)
        let rest = Route(key: key, kind: .unicast, nextHops: [NextHop(linkIndex: 2, gateway: ip("fd00::2"))])
        #expect(table.takeChanges() == [.route(rest)])
        #expect(table.forget(held([(2, "fd00::2")]), in: key6))
        #expect(table.takeChanges() == [.routeRemoved(key)])
    }

    @Test func nothingIsToldOfWhatEndsAsItBegan() {
        let table = Subject(isIPv6: true)
        #expect(table.learn(held([(1, "fd00::1")]), in: key6, replaces: false))
        #expect(table.forget(held([(1, "fd00::1")]), in: key6))
        #expect(table.takeChanges().isEmpty)
    }

    @Test func routesOfSeveralLinksAreReplacedByDumpOnly() {
        let table = Subject(isIPv6: true)
        #expect(table.learn(held([(1, nil)]), in: key6, replaces: false))
        #expect(table.learn(held([(2, nil)]), in: key6, replaces: false))
        #expect(table.takeChanges().count == 2)
        // Which of the two does it replace?
        #expect(!table.learn(held([(3, nil)]), in: key6, replaces: true))
        #expect(table.takeChanges().isEmpty)
        #expect(table.forget(held([(1, nil)]), in: key6))
        // Now there is one to replace.
        #expect(table.learn(held([(3, nil)]), in: key6, replaces: true))
        #expect(table.takeChanges().count == 3)
    }

    @Test func contradictionsAreDoubts() {
        let table = Subject(isIPv6: true)
        #expect(table.learn(held([(1, "fd00::1")]), in: key6, replaces: false))
        // Siblings would have been shown: these are routes of another sort, of router advertisements.
        #expect(!table.learn(held([(2, "fd00::2")]), in: key6, replaces: false))
        #expect(!table.forget(held([(2, "fd00::2")]), in: key6))
        #expect(!table.forget(held([(1, "fd00::1"), (2, "fd00::2")]), in: key6))
        // What is not held at all may be gone: it was not yet there when it was dumped.
        let other = RouteGroupKey(table: 1, prefix: key6.prefix, metric: 1)
        #expect(table.forget(held([(1, "fd00::1")]), in: other))
    }

    @Test func orderOfIPv4RoutesIsDumpedOnly() {
        let table = Subject(isIPv6: false)
        #expect(table.learn(held([(1, "10.0.0.1")]), in: key4, replaces: false))
        #expect(table.learn(held([(1, "10.0.0.1")]), in: key4, replaces: false))
        #expect(table.learn(held([(2, "10.0.0.2")]), in: key4, replaces: true))
        #expect(!table.learn(held([(3, "10.0.0.3")]), in: key4, replaces: false))
        #expect(!table.forget(held([(3, "10.0.0.3")]), in: key4))
        #expect(!table.learn(held([(3, "10.0.0.3")], selector: "tos 4"), in: key4, replaces: true))
        #expect(table.forget(held([(2, "10.0.0.2")]), in: key4))
        #expect(table.takeChanges().isEmpty)
    }

    @Test func firstLivingIPv4RouteWins() {
        let group = [held([(1, "10.0.0.1")], isDead: true), held([(2, "10.0.0.2")]), held([(3, "10.0.0.3")])]
        #expect(RouteTable.routes(of: group, in: key4).map { $0.nextHops.map(\.linkIndex) } == [[2]])
        #expect(RouteTable.routes(of: [group[0]], in: key4).map(\.nextHops) == [[]])
    }

    @Test func whatOneKeyCannotSayIsLeftToTheKernel() {
        let selective = RouteTable.routes(of: [held([(1, nil)]), held([], selector: "tos 4", kind: .other)], in: key6)
        #expect(selective.map(\.kind) == [.other])
        let twoRouters = [held([(1, "fe80::1")]), held([(2, "fe80::2")]), held([(3, nil)])]
        let routes = RouteTable.routes(of: twoRouters, in: key6)
        #expect(routes.map(\.key.linkIndex) == [0, 3])
        #expect(routes.map(\.kind) == [.other, .unicast])
    }

    @Test func dumpYieldsDifferencesOnly() {
        let table = Subject(isIPv6: true)
        let other = RouteGroupKey(table: 7, prefix: key6.prefix, metric: 5)
        #expect(table.learn(held([(1, nil)]), in: key6, replaces: false))
        #expect(table.learn(held([(1, nil)]), in: other, replaces: false))
        _ = table.takeChanges()
        table.table.replaceAll(with: [key6: [held([(1, nil)])]])
        #expect(
            table.takeChanges() == [.routeRemoved(Route.Key(table: 7, prefix: key6.prefix, metric: 5, linkIndex: 1))])
        // A dump that may lack routes takes none away.
        table.table.merge([other: [held([(2, nil)])]])
        #expect(table.takeChanges().count == 1)
    }
}
