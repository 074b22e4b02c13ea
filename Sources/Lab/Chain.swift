// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Two hosts behind two edge routers with a router between them:
///
///     h1 ──── r1 ════════ r2 ════════ r3 ──── h3
///
/// The edges encapsulate and decapsulate, r2 runs End, all by routes of their kernels, which is all that the router
/// daemon needs too. Addresses follow the project's testbed: links `fcf0:0:X:Y::/64`, locators `fcff:N::/32`,
/// customers `fd00:0:XY::/64`.
public struct Chain: Sendable {
    /// Two addresses that talk, one at each end.
    public struct Pair: Hashable, Sendable {
        /// 1 to 9; the two directions have one number.
        public var number: Int
        public var from: String
        public var to: String
        /// What it carries, for people, for example `IPv6 UDP`.
        public var title: String
        public var source: IPAddress
        public var destination: IPAddress
        public var isTCP = false

        public var isForward: Bool { from == "h1" }
        /// `h1>h3 1`
        public var label: String { "\(from)>\(to) \(number)" }
    }

    /// A pair whose packets travel by a policy.
    public struct Flow: Hashable, Sendable {
        public var pair: Pair
        public var policy: Policy

        /// How its packets look behind the headend.
        public var key: FlowKey { FlowKey(policy) }
        /// What the headend routes into the policy.
        public var prefix: IPPrefix {
            if case .v4 = pair.destination {
                IPPrefix(pair.destination, length: 24)
            } else {
                IPPrefix(pair.destination, length: 64)
            }
        }
    }

    /// Which flows a chain is made with, the same ones in both directions.
    public enum Scenario: Sendable {
        /// UDP and TCP on five segment lists.
        case measurement
        /// One flow for every way of encapsulating and every behavior.
        case behaviors
    }

    public let h1: Namespace
    public let r1: Namespace
    public let r2: Namespace
    public let r3: Namespace
    public let h3: Namespace
    public let flows: [Flow]
    /// Pairs that are forwarded without a policy, IPv6 and IPv4, both directions.
    public let plain: [Pair]

    /// Makes nodes, links, addresses and routes.
    public init(_ scenario: Scenario, in laboratory: Laboratory, queues: Int) throws(LabError) {
        h1 = try laboratory.namespace("h1")
        r1 = try laboratory.namespace("r1")
        r2 = try laboratory.namespace("r2")
        r3 = try laboratory.namespace("r3")
        h3 = try laboratory.namespace("h3")
        flows = scenario.flows
        plain = [(1, 3), (3, 1)].flatMap { from, to in
            [
                pair(9, from, to, "plain IPv6", "fd00:0:\(from)9::2", "fd00:0:\(to)9::2"),
                pair(8, from, to, "plain IPv4", "10.9.\(from).2", "10.9.\(to).2"),
            ]
        }
        for router in [r1, r2, r3] { try router.becomeRouter() }
        // The core has room for what encapsulation adds to the hosts' packets: 40 octets, and 8 + 16 for each SID.
        try connect(Port(h1, "h1-r1"), Port(r1, "r1-h1"), queues: queues, mtu: 1380)
        try connect(Port(r1, "r1-r2"), Port(r2, "r2-r1"), queues: queues)
        try connect(Port(r2, "r2-r3"), Port(r3, "r3-r2"), queues: queues)
        try connect(Port(r3, "r3-h3"), Port(h3, "h3-r3"), queues: queues, mtu: 1380)
        try configureHost(h1, number: 1)
        try configureHost(h3, number: 3)
        try configureEdge(
            Edge(node: r1, number: 1, far: 3, core: "r1-r2", customer: "r1-h1", link: "1:2", own: 1, next: 2))
        try configureEdge(
            Edge(node: r3, number: 3, far: 1, core: "r3-r2", customer: "r3-h3", link: "2:3", own: 2, next: 1))
        try configureTransit()
    }

    /// The host that a pair sends from, and the one it sends to.
    public func hosts(of pair: Pair) -> (sender: Namespace, receiver: Namespace) {
        pair.isForward ? (h1, h3) : (h3, h1)
    }

    private func configureHost(_ host: Namespace, number: Int) throws(LabError) {
        let device = "h\(number)-r\(number)"
        try host.ip(
            [
                "addr add 10.0.\(number).2/24 dev \(device)",
                "addr add 10.9.\(number).2/24 dev \(device)",
                "route add default via 10.0.\(number).1",
            ] + (1...9).map { "addr add fd00:0:\(number)\($0)::2/64 dev \(device) nodad" } + [
                "route add default via fd00:0:\(number)1::1"
            ])
    }

    private struct Edge {
        var node: Namespace
        var number: Int
        var far: Int
        var core: String
        var customer: String
        /// The middle of the core link's prefix, and the last part of the addresses on it.
        var link: String
        var own: Int
        var next: Int
    }

    private func configureEdge(_ edge: Edge) throws(LabError) {
        let (number, far, core, customer) = (edge.number, edge.far, edge.core, edge.customer)
        let (gateway6, gateway4) = ("fcf0:0:\(edge.link)::\(edge.next)", "10.255.\(number).\(edge.next)")
        let policies = flows.filter { $0.pair.from == "h\(number)" }.map { flow in
            "route add \(flow.prefix) encap seg6 mode \(flow.policy.mode.rawValue) segs \(flow.policy.segments) dev \(core)"
        }
        let addresses =
            [
                "addr add fcff:\(number)::1/128 dev lo nodad",
                "addr add fcf0:0:\(edge.link)::\(edge.own)/64 dev \(core) nodad",
                "addr add 10.255.\(number).\(edge.own)/24 dev \(core)",
                "addr add 10.0.\(number).1/24 dev \(customer)",
                "addr add 10.9.\(number).1/24 dev \(customer)",
            ] + (1...9).map { "addr add fd00:0:\(number)\($0)::1/64 dev \(customer) nodad" }
        let routes = [
            "route add fcff:2::/32 via \(gateway6)",
            "route add fcff:\(far)::/32 via \(gateway6)",
            "route add fcf0::/16 via \(gateway6)",
            "route add fd00:0:\(far)9::/64 via \(gateway6)",
            "route add 10.9.\(far).0/24 via \(gateway4)",
        ]
        // For the first, decapsulation and a lookup; two of them, so that reduced lists stay distinguishable.
        let locals = [
            "::100/128 encap seg6local action End.DT6 table 254 dev \(core)",
            "::101/128 encap seg6local action End.DT6 table 254 dev \(core)",
            "::102/128 encap seg6local action End.DT6 table 254 dev \(core)",
            "::104/128 encap seg6local action End.DX4 nh4 10.0.\(number).2 dev \(customer)",
            "::106/128 encap seg6local action End.DX6 nh6 fd00:0:\(number)7::2 dev \(customer)",
        ].map { "route add fcff:\(number)\($0)" }
        try edge.node.ip(addresses + routes + locals + ["sr tunsrc set fcff:\(number)::1"] + policies)
    }

    private func configureTransit() throws(LabError) {
        try r2.ip(
            "addr add fcff:2::1/128 dev lo nodad",
            "addr add fcf0:0:1:2::2/64 dev r2-r1 nodad",
            "addr add fcf0:0:2:3::1/64 dev r2-r3 nodad",
            "addr add 10.255.1.2/24 dev r2-r1",
            "addr add 10.255.3.1/24 dev r2-r3",
            "route add fcff:1::/32 via fcf0:0:1:2::1",
            "route add fcff:3::/32 via fcf0:0:2:3::2",
            "route add fd00:0:19::/64 via fcf0:0:1:2::1",
            "route add fd00:0:39::/64 via fcf0:0:2:3::2",
            "route add 10.9.1.0/24 via 10.255.1.1",
            "route add 10.9.3.0/24 via 10.255.3.2",
            "route add fcff:2::e1/128 encap seg6local action End dev r2-r1",
            "route add fcff:2::e2/128 encap seg6local action End dev r2-r1",
            "route add fcff:2::e3/128 encap seg6local action End dev r2-r1",
            "route add fcff:2::a1/128 encap seg6local action End.X nh6 fcf0:0:1:2::1 dev r2-r1",
            "route add fcff:2::a3/128 encap seg6local action End.X nh6 fcf0:0:2:3::2 dev r2-r3",
            "sr tunsrc set fcff:2::1")
    }

    /// Pings once along a pair. *Returns*: whether an answer came within two seconds.
    public func ping(_ pair: Pair) throws(LabError) -> Bool {
        try hosts(of: pair).sender.run([
            "ping", "-n", "-q", "-c", "1", "-W", "2", "-I", "\(pair.source)", "\(pair.destination)",
        ]).status == 0
    }

    /// Pings along every flow and pair until an answer comes: all neighbors are known from then on.
    public func warmUp(upTo limit: Duration = .seconds(15)) throws(LabError) {
        for pair in flows.map(\.pair) + plain {
            try wait(for: "an answer from \(pair.destination) to \(pair.source)", upTo: limit) { () throws(LabError) in
                try ping(pair)
            }
        }
    }

    /// The configuration of the daemon on a router. On an edge it counts what it sends into the core and what it
    /// receives from there, when `isMonitoring`.
    public func daemonConfiguration(of router: Namespace, socket: String, workers: Int, isMonitoring: Bool = true)
        -> String
    {
        let ports = [r1: ["r1-h1", "r1-r2"], r2: ["r2-r1", "r2-r3"], r3: ["r3-r2", "r3-h3"]][router] ?? []
        let counted = isMonitoring && router != r2 ? flows : []
        let monitored = counted.map { flow -> String in
            let direction = flow.pair.isForward == (router == r1) ? FlowDirection.egress : .ingress
            let segments = flow.policy.segments.segments.map { "\"\($0)\"" }.joined(separator: ", ")
            return "  - {segments: [\(segments)], mode: \(flow.policy.mode.rawValue), direction: \(direction.rawValue)}"
        }
        return """
            # \(router.node) of a laboratory
            backend: afxdp
            socket: \(socket)
            dataplane: {workers: \(workers), ring_size: 4096}
            ports: [\(ports.map { "{name: \($0)}" }.joined(separator: ", "))]
            color_clock: {period: 1s}
            flows:\(monitored.isEmpty ? " []" : "")
            \(monitored.joined(separator: "\n"))

            """
    }
}

private func pair(
    _ number: Int, _ from: Int, _ to: Int, _ title: String, _ source: String, _ destination: String,
    isTCP: Bool = false
) -> Chain.Pair {
    guard let source = IPAddress(source), let destination = IPAddress(destination) else {
        preconditionFailure("addresses of a chain are well formed")
    }
    return Chain.Pair(
        number: number, from: "h\(from)", to: "h\(to)", title: title, source: source, destination: destination,
        isTCP: isTCP)
}

extension Chain.Scenario {
    fileprivate var flows: [Chain.Flow] { Self.flows(of: self, from: 1, to: 3) + Self.flows(of: self, from: 3, to: 1) }

    private static func flows(of scenario: Self, from: Int, to: Int) -> [Chain.Flow] {
        func flow(
            _ number: Int, _ title: String, _ segments: String, mode: EncapsulationMode = .encap,
            isIPv4: Bool = false, isTCP: Bool = false
        ) -> Chain.Flow {
            guard let list = SegmentList(segments) else { preconditionFailure("segments of a chain are well formed") }
            func address(_ node: Int) -> String { isIPv4 ? "10.0.\(node).2" : "fd00:0:\(node)\(number)::2" }
            return Chain.Flow(
                pair: pair(number, from, to, title, address(from), address(to), isTCP: isTCP),
                policy: Policy(segments: list, mode: mode))
        }
        return switch scenario {
        case .measurement:
            [
                flow(1, "IPv6 UDP", "fcff:2::e1,fcff:\(to)::100"),
                flow(2, "IPv6 UDP", "fcff:2::e2,fcff:\(to)::101", mode: .encapRed),
                flow(3, "IPv4 UDP", "fcff:2::e1,fcff:\(to)::104", isIPv4: true),
                flow(4, "IPv6 UDP, bursts", "fcff:2::e2,fcff:\(to)::100"),
                flow(5, "IPv6 TCP", "fcff:2::e3,fcff:2::e1,fcff:\(to)::100", isTCP: true),
            ]
        case .behaviors:
            [
                flow(1, "End, End.DT6", "fcff:2::e1,fcff:\(to)::100"),
                flow(2, "reduced: End, End.DT6", "fcff:2::e2,fcff:\(to)::101", mode: .encapRed),
                flow(3, "IPv4: End, End.DX4", "fcff:2::e1,fcff:\(to)::104", isIPv4: true),
                flow(4, "reduced, no SRH: End.DT6", "fcff:\(to)::102", mode: .encapRed),
                flow(5, "End twice, End.DT6", "fcff:2::e3,fcff:2::e1,fcff:\(to)::100"),
                flow(6, "End.X, End.DT6", "fcff:2::a\(to),fcff:\(to)::100"),
                flow(7, "End, End.DX6", "fcff:2::e2,fcff:\(to)::106"),
            ]
        }
    }
}
