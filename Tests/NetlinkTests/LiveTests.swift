// SPDX-License-Identifier: Apache-2.0
import Netlink
import SRv6
import Testing
import Wire

/// The mirror against the kernel, in namespaces of the tests' own.
@Suite(.enabled(if: Namespace.obstacle == nil, Comment(rawValue: Namespace.obstacle ?? "")))
struct LiveTests {
    @Test func firstBatchHoldsEverythingInOrder() async throws {
        let scene = try await Scene()
        let first = try #require(scene.told.batches.first)
        let ranks = first.map { change in
            switch change {
            case .link: 0
            case .address: 1
            case .neighbor: 2
            case .tunnelSource: 3
            case .policyRouting: 4
            case .route: 5
            default: 99
            }
        }
        #expect(ranks == ranks.sorted() && !ranks.contains(99))
        #expect(Set(ranks).isSuperset(of: [0, 1, 3, 4, 5]))
        try await scene.expect { state in
            state.link("lo")?.isLoopback == true && state.link("va")?.isUp == true
                && state.isPolicyRouting == [false, false] && state.tunnelSource == .unspecified
                && state.route("fd00::/64")?.nextHops.first?.linkIndex == state.index("va")
        }
        scene.mirror.stop()
    }

    @Test func links() async throws {
        let scene = try await Scene { _ in }
        try await scene.expect(after: "ip link add va type veth peer name vb") { state in
            state.link("va")?.kind == "veth" && state.link("va")?.isUp == false && state.link("vb") != nil
        }
        try await scene.expect(after: "ip link set va mtu 1300 address 02:11:22:33:44:55") { state in
            state.link("va")?.mtu == 1300 && state.link("va")?.mac == MACAddress("02:11:22:33:44:55")
        }
        try await scene.expect(after: "ip link set va up", "ip link set vb up") { $0.link("va")?.isUp == true }
        // The peer going down takes the carrier.
        try await scene.expect(after: "ip link set vb down") { $0.link("va")?.isUp == false }
        try await scene.expect(after: "ip link set va down", "ip link set va name vc") { state in
            state.link("vc") != nil && state.link("va") == nil
        }
        try await scene.expect(after: "ip link add br0 type bridge", "ip link set vc master br0") { state in
            state.link("vc")?.master == state.index("br0")
        }
        // Leaving a bridge is announced by RTM_DELLINK of another family: the link stays.
        try await scene.expect(after: "ip link set vc nomaster") { state in
            state.link("vc") != nil && state.link("vc")?.master == nil
        }
        try await scene.expect(after: "ip link del vc") { $0.link("vc") == nil && $0.link("vb") == nil }
    }

    @Test func addresses() async throws {
        let scene = try await Scene()
        @Sendable func address(_ state: Recorder.State, _ text: String, _ length: Int) -> Bool {
            IPAddress(text).map {
                state.addresses.contains(
                    InterfaceAddress(linkIndex: state.index("va"), address: $0, prefixLength: length))
            } ?? false
        }
        try await scene.expect(after: "ip addr add 192.0.2.1/28 dev va", "ip addr add 2001:db8::1/56 dev va") { state in
            address(state, "192.0.2.1", 28) && address(state, "2001:db8::1", 56)
        }
        try await scene.expect(after: "ip addr del 192.0.2.1/28 dev va", "ip addr del 2001:db8::1/56 dev va") { state in
            !address(state, "192.0.2.1", 28) && !address(state, "2001:db8::1", 56)
        }
        // One address with two peers is there until both are gone.
        try await scene.expect(
            after: "ip addr add 192.0.2.9 peer 192.0.2.10 dev va", "ip addr add 192.0.2.9 peer 192.0.2.11 dev va"
        ) { address($0, "192.0.2.9", 32) && $0.route("192.0.2.11/32") != nil }
        try await scene.expect(after: "ip addr del 192.0.2.9 peer 192.0.2.10 dev va") { state in
            address(state, "192.0.2.9", 32) && state.route("192.0.2.10/32") == nil
        }
        try await scene.expect(after: "ip addr del 192.0.2.9 peer 192.0.2.11 dev va") { !address($0, "192.0.2.9", 32) }
    }

    @Test func neighbors() async throws {
        let scene = try await Scene()
        let mac = MACAddress("02:00:00:00:00:02")
        try await scene.expect(
            after: "ip neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev va nud permanent",
            "ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev va nud reachable"
        ) { $0.neighbor("va", "fd00::2")?.mac == mac && $0.neighbor("va", "10.0.0.2")?.mac == mac }
        try await scene.expect(after: "ip neigh replace fd00::2 lladdr 02:00:00:00:00:03 dev va nud stale") { state in
            state.neighbor("va", "fd00::2")?.mac == MACAddress("02:00:00:00:00:03")
        }
        try await scene.expect(after: "ip neigh change fd00::2 dev va nud failed") { state in
            state.neighbor("va", "fd00::2").map { $0.mac == nil } == true
        }
        try await scene.expect(after: "ip neigh del fd00::2 dev va") { $0.neighbor("va", "fd00::2") == nil }
        // Proxy entries are not neighbors.
        try await scene.expect(after: "ip neigh add proxy fd00::77 dev va") { $0.neighbor("va", "fd00::77") == nil }
    }

    @Test func refreshProbesAndResolves() async throws {
        let scene = try await Scene()
        try await scene.namespace.run(
            "sysctl -qw net.ipv6.neigh.va.delay_first_probe_time=1 net.ipv6.neigh.va.retrans_time_ms=100",
            "ip neigh replace fd00::2 lladdr 02:00:00:00:00:02 dev va nud stale")
        #expect(try await scene.told.reaches { $0.neighbor("va", "fd00::2") != nil })
        let link = scene.told.state.index("va")
        for text in ["fd00::2", "fd00::3", "10.0.0.7"] {
            scene.mirror.refresh(Neighbor.Key(linkIndex: link, address: try #require(IPAddress(text))))
        }
        // Sending is synchronous: the kernel has acted when the call returns.
        let stale = try await scene.namespace.run("ip neigh show dev va nud stale")
        #expect(!stale.contains("fd00::2"))
        #expect(
            try await scene.told.reaches { $0.neighbor("va", "fd00::3") != nil && $0.neighbor("va", "10.0.0.7") != nil }
        )
        // Nobody answers there: what was usable ends as not usable.
        #expect(try await scene.told.reaches { $0.neighbor("va", "fd00::2")?.mac == nil })
        // A link that does not exist is nobody's concern.
        scene.mirror.refresh(Neighbor.Key(linkIndex: 4711, address: .v6(.unspecified)))
    }

    @Test func tunnelSourceAndRules() async throws {
        let scene = try await Scene()
        try await scene.expect(after: "ip sr tunsrc set fd00::1") { $0.tunnelSource == IPv6Address("fd00::1") }
        try await scene.expect(after: "ip rule add from 10.0.0.0/8 table 100") { $0.isPolicyRouting == [true, false] }
        try await scene.expect(after: "ip -6 rule add fwmark 7 table 100") { $0.isPolicyRouting == [true, true] }
        try await scene.expect(after: "ip rule del from 10.0.0.0/8 table 100") { $0.isPolicyRouting == [false, true] }
        try await scene.expect(after: "ip -6 rule del fwmark 7 table 100") { $0.isPolicyRouting == [false, false] }
        try await scene.expect(after: "ip rule add pref 1000 l3mdev") { $0.isPolicyRouting == [false, false] }
        try await scene.expect(after: "ip -6 rule del pref 32766") { $0.isPolicyRouting == [false, true] }
    }

    @Test func stopEndsTheDelivery() async throws {
        let scene = try await Scene()
        scene.mirror.stop()
        let count = scene.told.batches.count
        try await scene.namespace.run("ip link set va down")
        scene.mirror.stop()
        #expect(scene.told.batches.count == count)
    }
}
