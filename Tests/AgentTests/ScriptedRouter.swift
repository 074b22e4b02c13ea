// SPDX-License-Identifier: Apache-2.0
import Agent
import SRv6
import Synchronization
import Wire

/// A data plane without packets: holds what a test puts in, and writes down what is done to it.
final class ScriptedRouter: Engine {
    struct Content {
        var ports: [PortStatus] = []
        var routes: [RouteStatus] = []
        var localSIDs: [SIDStatus] = []
        var policies: [PolicyStatus] = []
        var drops: [DropStatus] = []
        var workers: [WorkerStatus] = []
        var flows: [Flow] = []
        var counters: [Flow: CounterSnapshot] = [:]
        var activeColor = MarkColor.a
        var startError: SystemError?
        var log: [String] = []
    }

    let content: Mutex<Content>
    let capabilities: CountingCapabilities

    init(maximumFlows: Int = 3, _ content: sending Content = Content()) {
        self.content = Mutex(content)
        capabilities = CountingCapabilities(
            backend: "afxdp", maximumFlows: maximumFlows, maximumSegments: 16, modes: [.encap, .encapRed])
    }

    var log: [String] { content.withLock(\.log) }
    func ports() -> [PortStatus] { content.withLock(\.ports) }
    func routes() -> [RouteStatus] { content.withLock(\.routes) }
    func localSIDs() -> [SIDStatus] { content.withLock(\.localSIDs) }
    func policies() -> [PolicyStatus] { content.withLock(\.policies) }
    func drops() -> [DropStatus] { content.withLock(\.drops) }
    func workers() -> [WorkerStatus] { content.withLock(\.workers) }
    func neighborsInUse() -> [Neighbor.Key] { [] }

    func start() throws(SystemError) {
        let error = content.withLock { content in
            content.log.append("start")
            return content.startError
        }
        if let error { throw error }
    }

    func stop() { content.withLock { $0.log.append("stop") } }

    func apply(_ changes: [NetworkChange]) { content.withLock { $0.log.append("apply \(changes.count)") } }

    func addFlow(_ flow: Flow) throws(FlowError) {
        try content.withLock { (content) throws(FlowError) in
            content.log.append("add \(flow)")
            guard capabilities.modes.contains(flow.policy.mode) else {
                throw .unsupported(flow, reason: "the mode is not one of this backend's")
            }
            guard content.counters[flow] == nil else { throw .alreadyMonitored(flow) }
            if let other = content.flows.first(where: {
                $0.direction == flow.direction && FlowKey($0.policy) == FlowKey(flow.policy)
            }) {
                throw .indistinguishable(flow, from: other)
            }
            guard content.flows.count < capabilities.maximumFlows else {
                throw .tableFull(limit: capabilities.maximumFlows)
            }
            content.flows.append(flow)
            content.counters[flow] = CounterSnapshot()
        }
    }

    func removeFlow(_ flow: Flow) throws(FlowError) {
        try content.withLock { (content) throws(FlowError) in
            guard content.counters.removeValue(forKey: flow) != nil else { throw .notMonitored(flow) }
            content.flows.removeAll { $0 == flow }
        }
    }

    var activeColor: MarkColor { content.withLock(\.activeColor) }
    func setActiveColor(_ color: MarkColor) {
        content.withLock { content in
            content.activeColor = color
            content.log.append("color \(color)")
        }
    }

    func reading(of flow: Flow) throws(FlowError) -> CounterSnapshot {
        let counters = content.withLock { $0.counters[flow] }
        guard let counters else { throw .notMonitored(flow) }
        return counters
    }

    func readings() -> [FlowReading] {
        content.withLock { content in
            content.flows.map { FlowReading(flow: $0, counters: content.counters[$0] ?? .init()) }
        }
    }

    /// Counts a packet of 100 octets in a color.
    func count(_ flow: Flow, _ color: MarkColor) {
        content.withLock { content in
            guard var counters = content.counters[flow] else { return }
            let more = PacketCount(packets: 1, octets: 100)
            if color == .a { counters.a = counters.a + more } else { counters.b = counters.b + more }
            content.counters[flow] = counters
        }
    }
}

/// Samples with no zero and no repeated value where a field could hide.
enum Sample {
    static func count(_ seed: UInt64) -> PacketCount { PacketCount(packets: seed * 3 + 1, octets: seed * 1009 + 7) }

    static func list(_ text: String) -> SegmentList {
        guard let list = SegmentList(text) else { preconditionFailure("not a segment list: \(text)") }
        return list
    }

    static func prefix(_ text: String) -> IPPrefix {
        guard let prefix = IPPrefix(text) else { preconditionFailure("not a prefix: \(text)") }
        return prefix
    }

    static func address(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("not an address: \(text)") }
        return address
    }

    static let policy = Policy(segments: list("fcff:2::1,fcff:3::100"), mode: .encapRed)
    static let egress = Flow(policy: Policy(segments: list("fcff:2::1,fcff:3::100")), direction: .egress)
    static let ingress = Flow(policy: Policy(segments: list("fcff:2::1,fcff:1::100")), direction: .ingress)

    static let port = PortStatus(
        name: "r1-r2", linkIndex: 5, mac: MACAddress(0x0201_0304_0506), mtu: 1500, isUp: true, queueCount: 2,
        isZeroCopy: false, isBusyPolling: true, received: count(11), transmitted: count(12), receiveDrops: 13)

    static let worker = WorkerStatus(
        index: 1, core: 3, bursts: 21, received: 22, transmitted: 23, punted: 24, dropped: 25, sleeps: 26,
        hasHugepages: true)

    static let policyStatus = PolicyStatus(
        policy: policy, prefixes: [prefix("fd00:0:83::/64"), prefix("10.8.3.0/24")], isMonitored: true)

    static let endX = LocalSID(
        behavior: .endX, nextHop6: IPv6Address("fe80::2"), linkIndex: 6, kernelOnly: "flavor psp")
    static let endDX4 = LocalSID(behavior: .endDX4, nextHop4: IPv4Address("10.0.0.9"))
    static let endDT6 = LocalSID(behavior: .endDT6, table: 254)

    static let sid = SIDStatus(
        table: 253, prefix: prefix("fcff:1::100/128"), localSID: endDT6, processed: count(31), isEngineExecuted: true)

    static let route = RouteStatus(
        route: Route(
            key: Route.Key(table: 254, prefix: prefix("fd00:0:83::/64"), metric: 1024, linkIndex: 5), kind: .unicast,
            nextHops: [
                NextHop(linkIndex: 5, gateway: address("fe80::1"), weight: 2, encapsulation: .seg6(policy)),
                NextHop(linkIndex: 6, encapsulation: .seg6local(endX)),
                NextHop(linkIndex: 7, gateway: address("10.0.0.1"), encapsulation: .other("mpls")),
                NextHop(linkIndex: 8),
            ]), action: "encap")
}
