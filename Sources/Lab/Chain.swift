// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Two hosts behind two edge routers with a kernel router between them:
///
///     h1 ──── r1 ════════ r2 ════════ r3 ──── h3
///
/// r1 and r3 encapsulate and decapsulate by routes of their kernel, which is all that the router daemon needs too;
/// r2 runs End. Addresses follow the project's testbed: links `fcf0:0:X:Y::/64`, locators `fcff:N::/32`, customers
/// `fd00:0:XY::/64`.
public struct Chain: Sendable {
    /// A direction of traffic with a policy of its own.
    public struct Flow: Hashable, Sendable {
        /// From 1; the two directions of a pair have one number.
        public var number: Int
        public var from: String
        public var to: String
        /// What it carries, for people, for example `IPv6 UDP`.
        public var title: String
        public var policy: Policy
        public var source: IPAddress
        public var destination: IPAddress
        /// What the headend routes into the policy.
        public var prefix: IPPrefix
        public var isTCP: Bool

        /// How its packets look behind the headend.
        public var key: FlowKey { FlowKey(policy) }
        public var isForward: Bool { from == "h1" }
    }

    public let h1: Namespace
    public let r1: Namespace
    public let r2: Namespace
    public let r3: Namespace
    public let h3: Namespace
    public let flows: [Flow]

    /// Makes nodes, links, addresses and routes.
    public init(in laboratory: Laboratory, queues: Int) throws(LabError) {
        h1 = try laboratory.namespace("h1")
        r1 = try laboratory.namespace("r1")
        r2 = try laboratory.namespace("r2")
        r3 = try laboratory.namespace("r3")
        h3 = try laboratory.namespace("h3")
        flows = Self.allFlows()
        for router in [r1, r2, r3] { try router.becomeRouter() }
        // The core has room for what encapsulation adds to the hosts' packets: 40 octets, and 8 + 16 for each SID.
        try connect(Port(h1, "h1-r1"), Port(r1, "r1-h1"), queues: queues, mtu: 1380)
        try connect(Port(r1, "r1-r2"), Port(r2, "r2-r1"), queues: queues)
        try connect(Port(r2, "r2-r3"), Port(r3, "r3-r2"), queues: queues)
        try connect(Port(r3, "r3-h3"), Port(h3, "h3-r3"), queues: queues, mtu: 1380)
        try configureHost(h1, number: 1)
        try configureHost(h3, number: 3)
        try configureEdge(
            r1, number: 1, far: 3, core: "r1-r2", customer: "r1-h1", coreAddress: ("fcf0:0:1:2::1", "fcf0:0:1:2::2"))
        try configureEdge(
            r3, number: 3, far: 1, core: "r3-r2", customer: "r3-h3", coreAddress: ("fcf0:0:2:3::2", "fcf0:0:2:3::1"))
        try r2.ip(
            "addr add fcff:2::1/128 dev lo nodad",
            "addr add fcf0:0:1:2::2/64 dev r2-r1 nodad",
            "addr add fcf0:0:2:3::1/64 dev r2-r3 nodad",
            "route add fcff:1::/32 via fcf0:0:1:2::1",
            "route add fcff:3::/32 via fcf0:0:2:3::2",
            "route add fcff:2::e1/128 encap seg6local action End dev r2-r1",
            "route add fcff:2::e2/128 encap seg6local action End dev r2-r1",
            "route add fcff:2::e3/128 encap seg6local action End dev r2-r1")
    }

    /// What edge `number` sends and the other receives, in order.
    private static func allFlows() -> [Flow] {
        [(from: 1, to: 3), (from: 3, to: 1)].flatMap { from, to in
            [
                flow(1, from, to, "IPv6 UDP", "fcff:2::e1,fcff:\(to)::100"),
                flow(2, from, to, "IPv6 UDP", "fcff:2::e2,fcff:\(to)::101", mode: .encapRed),
                flow(3, from, to, "IPv4 UDP", "fcff:2::e1,fcff:\(to)::104", isIPv4: true),
                flow(4, from, to, "IPv6 UDP, bursts", "fcff:2::e2,fcff:\(to)::100"),
                flow(5, from, to, "IPv6 TCP", "fcff:2::e3,fcff:2::e1,fcff:\(to)::100", isTCP: true),
            ]
        }
    }

    private static func flow(
        _ number: Int, _ from: Int, _ to: Int, _ title: String, _ segments: String,
        mode: EncapsulationMode = .encap, isIPv4: Bool = false, isTCP: Bool = false
    ) -> Flow {
        func host(_ node: Int) -> String { isIPv4 ? "10.0.\(node).2" : "fd00:0:\(node)\(number)::2" }
        guard let list = SegmentList(segments), let source = IPAddress(host(from)),
            let destination = IPAddress(host(to))
        else { preconditionFailure("the addresses above are well formed") }
        return Flow(
            number: number, from: "h\(from)", to: "h\(to)", title: title, policy: Policy(segments: list, mode: mode),
            source: source, destination: destination, prefix: IPPrefix(destination, length: isIPv4 ? 24 : 64),
            isTCP: isTCP)
    }

    private func configureHost(_ host: Namespace, number: Int) throws(LabError) {
        let device = "h\(number)-r\(number)"
        try host.ip(
            [
                "addr add 10.0.\(number).2/24 dev \(device)",
                "route add default via 10.0.\(number).1",
                "addr add fd00:0:\(number)1::2/64 dev \(device) nodad",
                "route add default via fd00:0:\(number)1::1",
            ] + (2...5).map { "addr add fd00:0:\(number)\($0)::2/64 dev \(device) nodad" })
    }

    private func configureEdge(
        _ router: Namespace, number: Int, far: Int, core: String, customer: String,
        coreAddress: (own: String, next: String)
    ) throws(LabError) {
        let policies = flows.filter { $0.from == "h\(number)" }.map { flow in
            "route add \(flow.prefix) encap seg6 mode \(flow.policy.mode.rawValue) segs \(flow.policy.segments) dev \(core)"
        }
        try router.ip(
            [
                "addr add fcff:\(number)::1/128 dev lo nodad",
                "addr add \(coreAddress.own)/64 dev \(core) nodad",
                "addr add 10.0.\(number).1/24 dev \(customer)",
                "route add fcff:2::/32 via \(coreAddress.next)",
                "route add fcff:\(far)::/32 via \(coreAddress.next)",
                "route add fcff:\(number)::100/128 encap seg6local action End.DT6 table 254 dev \(core)",
                "route add fcff:\(number)::101/128 encap seg6local action End.DT6 table 254 dev \(core)",
                "route add fcff:\(number)::104/128 encap seg6local action End.DX4 nh4 10.0.\(number).2 dev \(customer)",
                "sr tunsrc set fcff:\(number)::1",
            ] + (1...5).map { "addr add fd00:0:\(number)\($0)::1/64 dev \(customer) nodad" } + policies)
    }

    /// Pings along every flow until an answer comes: all neighbors are known from then on.
    public func warmUp(upTo limit: Duration = .seconds(15)) throws(LabError) {
        for flow in flows {
            let host = flow.isForward ? h1 : h3
            try wait(for: "an answer from \(flow.destination) to \(flow.source)", upTo: limit) { () throws(LabError) in
                try host.run([
                    "ping", "-n", "-q", "-c", "1", "-W", "1", "-I", "\(flow.source)", "\(flow.destination)",
                ]).status == 0
            }
        }
    }

    /// The configuration of the daemon on an edge, `r1` or `r3`: it counts what it sends and what it receives.
    public func daemonConfiguration(of edge: Namespace, socket: String, workers: Int) -> String {
        let (core, customer) = edge == r1 ? ("r1-r2", "r1-h1") : ("r3-r2", "r3-h3")
        let monitored = flows.map { flow in
            let direction = flow.isForward == (edge == r1) ? FlowDirection.egress : .ingress
            return "  - {segments: [\(flow.policy.segments.segments.map { "\"\($0)\"" }.joined(separator: ", "))], "
                + "mode: \(flow.policy.mode.rawValue), direction: \(direction.rawValue)}"
        }
        return """
            # \(edge.node): counts and colors what it sends into the core, counts what it receives from there.
            backend: afxdp
            socket: \(socket)
            dataplane: {workers: \(workers), ring_size: 4096}
            ports: [{name: \(customer)}, {name: \(core)}]
            color_clock: {period: 1s}
            flows:
            \(monitored.joined(separator: "\n"))

            """
    }
}
