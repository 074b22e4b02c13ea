// SPDX-License-Identifier: Apache-2.0
import Netlink
import SRv6
import Testing
import Wire

/// Routes against the kernel: after every step the mirror must hold what a fresh dump shows.
@Suite(.enabled(if: Namespace.obstacle == nil, Comment(rawValue: Namespace.obstacle ?? "")))
struct LiveRouteTests {
    @Test func policies() async throws {
        let scene = try await Scene()
        let list = try #require(SegmentList("fcff:3::1,fcff:8::100"))
        for mode in EncapsulationMode.allCases {
            let encapsulation = Encapsulation.seg6(Policy(segments: list, mode: mode))
            try await scene.expect(
                after: "ip -6 route add fc00:3::/64 encap seg6 mode \(mode.rawValue) segs \(list) dev va"
            ) { state in
                state.route("fc00:3::/64")?.nextHops
                    == [NextHop(linkIndex: state.index("va"), encapsulation: encapsulation)]
            }
            try await scene.expect(after: "ip -6 route del fc00:3::/64") { $0.route("fc00:3::/64") == nil }
        }
        try await scene.expect(after: "ip route add 10.7.0.0/16 encap seg6 mode encap segs \(list) via 10.0.0.2") {
            state in
            state.route("10.7.0.0/16")?.nextHops.first?.encapsulation == .seg6(Policy(segments: list))
        }
        try await scene.expect(after: "ip route add 10.8.0.0/16 encap ip id 100 dst 10.0.0.2 dev va") { state in
            state.route("10.8.0.0/16")?.nextHops.first?.encapsulation == .other("ip")
        }
    }

    @Test(arguments: [
        ("End", LocalSID(behavior: .end)), ("End flavors psp", LocalSID(behavior: .endPSP)),
        ("End.X nh6 fd00::2", LocalSID(behavior: .endX, nextHop6: IPv6Address("fd00::2"))),
        ("End.T table 100", LocalSID(behavior: .endT, table: 100)),
        ("End.DT6 table 254", LocalSID(behavior: .endDT6, table: 254)),
        ("End.DX6 nh6 ::", LocalSID(behavior: .endDX6, nextHop6: .unspecified)),
        ("End.DX4 nh4 10.0.0.2", LocalSID(behavior: .endDX4, nextHop4: IPv4Address("10.0.0.2"))),
        ("End.DX2 oif lo", LocalSID(behavior: .endDX2, linkIndex: 1)),
        ("End.DT6 table 254 count", LocalSID(behavior: .endDT6, table: 254)),
        (
            "End flavors next-csid lblen 32 nflen 16", LocalSID(behavior: .end, kernelOnly: "flavor next-csid")
        ),
        ("End.B6 srh segs fcff::1", LocalSID(behavior: .opaque, kernelOnly: "End.B6")),
        (
            "End.B6.Encaps srh segs fcff::1", LocalSID(behavior: .endB6Encaps, kernelOnly: "End.B6.Encaps")
        ),
    ])
    func localSIDs(_ action: String, _ expected: LocalSID) async throws {
        let scene = try await Scene()
        try await scene.expect(after: "ip -6 route add fcff:1::1 encap seg6local action \(action) dev va") { state in
            state.route("fcff:1::1")?.nextHops
                == [NextHop(linkIndex: state.index("va"), encapsulation: .seg6local(expected))]
        }
        try await scene.expect(after: "ip -6 route del fcff:1::1") { $0.route("fcff:1::1") == nil }
    }

    @Test func siblings() async throws {
        let scene = try await Scene()
        @Sendable func gateways(_ state: Recorder.State) -> [String]? {
            state.route("fc00::/64")?.nextHops.compactMap { $0.gateway?.description }.sorted()
        }
        try await scene.expect(after: "ip -6 route add fc00::/64 via fd00::2") { gateways($0) == ["fd00::2"] }
        try await scene.expect(after: "ip -6 route append fc00::/64 via fd01::2") { state in
            gateways(state) == ["fd00::2", "fd01::2"]
        }
        try await scene.expect(after: "ip -6 route append fc00::/64 via fd00::3") { gateways($0)?.count == 3 }
        try await scene.expect(after: "ip -6 route del fc00::/64 via fd01::2") { state in
            gateways(state) == ["fd00::2", "fd00::3"]
        }
        #expect(scene.mirror.resynchronizations == 0)
        try await scene.expect(
            after: "ip -6 route replace fc00::/64 nexthop via fd00::2 weight 3 nexthop via fd01::9 weight 5"
        ) { $0.route("fc00::/64")?.nextHops.map(\.weight) == [3, 5] }
        try await scene.expect(after: "ip -6 route replace fc00::/64 via fd00::7") { gateways($0) == ["fd00::7"] }
        #expect(scene.mirror.resynchronizations == 0)
        try await scene.expect(after: "ip -6 route del fc00::/64") { $0.routes("fc00::/64").isEmpty }
        // Routes of a metric besides the siblings.
        try await scene.expect(
            after: "ip -6 route add fc00::/64 dev va", "ip -6 route append fc00::/64 dev vb",
            "ip -6 route append fc00::/64 via fd00::2"
        ) { $0.routes("fc00::/64").count == 3 }
        try await scene.expect(after: "ip -6 route replace fc00::/64 dev lo") { state in
            state.routes("fc00::/64").contains { $0.key.linkIndex == 1 }
        }
        try await scene.expect(after: "ip -6 route flush fc00::/64") { $0.routes("fc00::/64").isEmpty }
    }

    @Test func ipv4() async throws {
        let scene = try await Scene()
        @Sendable func gateways(_ state: Recorder.State) -> [String]? {
            state.route("10.9.0.0/16")?.nextHops.compactMap { $0.gateway?.description }
        }
        try await scene.expect(after: "ip route add 10.9.0.0/16 via 10.0.0.2") { gateways($0) == ["10.0.0.2"] }
        try await scene.expect(after: "ip route append 10.9.0.0/16 via 10.0.0.3") { gateways($0) == ["10.0.0.2"] }
        try await scene.expect(after: "ip route prepend 10.9.0.0/16 via 10.0.0.4") { gateways($0) == ["10.0.0.4"] }
        try await scene.expect(after: "ip route replace 10.9.0.0/16 via 10.0.0.5") { gateways($0) == ["10.0.0.5"] }
        try await scene.expect(after: "ip route del 10.9.0.0/16 via 10.0.0.5") { gateways($0) == ["10.0.0.2"] }
        try await scene.expect(after: "ip route add 10.9.0.0/16 tos 0x10 via 10.0.0.6") { state in
            state.routes("10.9.0.0/16").map(\.kind) == [.other]
        }
        try await scene.expect(after: "ip route flush exact 10.9.0.0/16") { $0.routes("10.9.0.0/16").isEmpty }
        try await scene.expect(
            after: "ip route add 10.9.0.0/16 nexthop via 10.0.0.2 weight 4 nexthop via inet6 fd01::2 dev vb weight 9"
        ) { state in
            state.route("10.9.0.0/16")?.nextHops == [
                NextHop(linkIndex: state.index("va"), gateway: ip("10.0.0.2"), weight: 4),
                NextHop(linkIndex: state.index("vb"), gateway: ip("fd01::2"), weight: 9),
            ]
        }
    }

    @Test func kindsTablesAndMetrics() async throws {
        let scene = try await Scene()
        try await scene.expect(
            after: "ip -6 route add blackhole fc00:1::/64", "ip -6 route add unreachable fc00:2::/64",
            "ip route add prohibit 10.3.0.0/16", "ip -6 route add throw fc00:4::/64",
            "ip -6 route add fc00:5::/64 via fd00::2 table 100", "ip -6 route add fc00:5::/64 via fd00::3 table 100000",
            "ip -6 route add fc00:5::/64 via fd00::4 metric 7", "ip -6 route add fc00:5::/64 via fd00::5 metric 8"
        ) { state in
            state.route("fc00:1::/64")?.kind == .blackhole && state.route("fc00:2::/64")?.kind == .unreachable
                && state.route("10.3.0.0/16")?.kind == .prohibit && state.route("fc00:4::/64")?.kind == .other
                && state.route("fc00:5::/64", table: 100)?.nextHops.first?.gateway == ip("fd00::2")
                && state.route("fc00:5::/64", table: 100_000)?.nextHops.first?.gateway == ip("fd00::3")
                && state.routes("fc00:5::/64").map(\.key.metric) == [7, 8]
        }
        let state = scene.told.state
        #expect(state.route("fd00::1", table: Route.localTable)?.kind == .local)
        #expect(state.route("10.0.0.255", table: Route.localTable)?.kind == .broadcast)
        #expect(Set(state.routes("fe80::/64").map(\.key.linkIndex)) == [state.index("va"), state.index("vb")])
        // Nothing silent has happened.
        #expect(scene.mirror.resynchronizations == 0)
    }

    @Test func silentRemovals() async throws {
        let scene = try await Scene()
        try await scene.expect(
            after: "ip addr add 10.5.0.1/24 dev va", "ip route add 10.6.0.0/16 via 10.0.0.2 src 10.5.0.1",
            "ip route add 10.7.0.0/16 via 10.0.0.2"
        ) { $0.route("10.6.0.0/16") != nil && $0.route("10.7.0.0/16") != nil }
        // The kernel takes the route of a preferred source along and says nothing.
        try await scene.expect(after: "ip addr del 10.5.0.1/24 dev va") { $0.route("10.6.0.0/16") == nil }
        try await scene.expect(
            after: "ip -6 route add fc00::/64 nexthop via fd00::2 nexthop via fd01::2",
            "ip route add 10.8.0.0/16 nexthop via 10.0.0.2 nexthop via inet6 fd01::2 dev vb"
        ) { $0.route("fc00::/64")?.nextHops.count == 2 && $0.route("10.8.0.0/16")?.nextHops.count == 2 }
        // vb goes down: its next hops are dead, va loses its carrier: the others are too.
        try await scene.expect(after: "ip link set vb down") { state in
            state.route("fc00::/64")?.nextHops.isEmpty != false && state.route("10.8.0.0/16")?.nextHops == []
                && state.route("10.7.0.0/16")?.nextHops == []
        }
        // The address of vb is gone with it, and the kernel does not bring a next hop back without.
        try await scene.expect(after: "ip link set vb up") { state in
            state.route("10.7.0.0/16")?.nextHops.count == 1 && state.route("fc00::/64")?.nextHops.isEmpty == false
        }
        try await scene.expect(after: "ip link set va down") { $0.route("10.7.0.0/16") == nil }
        try await scene.expect(after: "ip link del va") { $0.links.count == 1 }
    }

    @Test func nexthopObjects() async throws {
        let scene = try await Scene()
        try await scene.expect(
            after: "ip nexthop add id 5 via fd00::2 dev va", "ip nexthop add id 6 via fd00::3 dev va",
            "ip nexthop add id 7 group 5/6", "ip -6 route add fc00:1::/64 nhid 5", "ip -6 route add fc00:2::/64 nhid 7",
            "ip route add 10.6.0.0/16 nhid 5"
        ) { $0.route("fc00:2::/64")?.nextHops.count == 2 && $0.route("fc00:1::/64")?.nextHops.count == 1 }
        try await scene.expect(after: "ip nexthop replace id 5 via fd00::9 dev va") { state in
            state.route("fc00:1::/64")?.nextHops.first?.gateway == ip("fd00::9")
                && state.route("10.6.0.0/16")?.nextHops.first?.gateway == ip("fd00::9")
                && state.route("fc00:2::/64")?.nextHops.contains { $0.gateway == ip("fd00::9") } == true
        }
        try await scene.expect(after: "ip nexthop del id 5") { state in
            state.route("fc00:1::/64") == nil && state.route("10.6.0.0/16") == nil
                && state.route("fc00:2::/64")?.nextHops.count == 1
        }
    }

    /// Thousands of changes into a queue of a few: what was lost is found again by dumps.
    @Test func overrun() async throws {
        let scene = try await Scene(receiveBufferByteCount: 4096)
        try await scene.namespace.run(
            """
            { for i in $(seq 1 3000); do printf 'route add fc00:1:%x::/64 via fd00::2\\n' $i; done
            for i in $(seq 1 2 3000); do printf 'route del fc00:1:%x::/64\\n' $i; done
            for i in $(seq 1 500); do printf 'neigh replace fd00::1:%x lladdr 02:00:00:00:00:02 dev va\\n' $i; done
            for i in $(seq 1 50); do printf 'addr add fd00::2:%x/128 dev vb\\n' $i; done
            } | ip -6 -batch -
            """)
        #expect(try await scene.told.reaches { $0.routes.keys.count { $0.prefix.length == 64 } >= 1500 })
        #expect(try await scene.differencesFromTruth() == [])
        #expect(scene.told.duplicates.isEmpty)
        #expect(scene.mirror.overruns > 0)
        #expect(scene.mirror.resynchronizations > 0)
        scene.mirror.stop()
    }
}
