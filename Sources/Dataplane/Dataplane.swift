// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Synchronization
import Wire

/// The user-space engine: ports, workers and tables behind one object.
///
/// Everything here is control: it may allocate and lock. The workers meet it in the tables, in their counters and in
/// two cells of shared state.
public final class Dataplane: FlowCounting, Sendable {
    /// Receives one line for every decision that an operator should know about.
    public typealias Report = @Sendable (String) -> Void

    private let configuration: DataplaneConfiguration
    private let report: Report
    private let state: Mutex<State>

    private struct State: ~Copyable {
        let tables: Tables
        var control: Control
        var flows: FlowRegistry
        var color = MarkColor.a
        var engine: Engine?
        /// Packets sent to each neighbor when last asked.
        var neighborUse: [Neighbor.Key: UInt64] = [:]
        /// Kept after the end, so that the last counts can be read.
        let counters: CounterSet

        /// Shows table changes to the workers that run.
        func publish(_ changes: [TableChange]) {
            guard !changes.isEmpty else { return }
            tables.apply(changes, waitingFor: engine?.clocks ?? [])
        }
    }

    /// *Throws*: when the configuration asks for what the engine cannot be.
    public init(_ configuration: DataplaneConfiguration, report: @escaping Report) throws(ConfigurationError) {
        try configuration.validate()
        self.configuration = configuration
        self.report = report
        var generator = SystemRandomNumberGenerator()
        let counters = CounterSet()
        let control = Control(configuration, sidCount: { counters.sid($0) }, report: report)
        state = Mutex(
            State(
                tables: Tables(seed: generator.next()), control: control,
                flows: FlowRegistry(limit: configuration.maximumFlows), counters: counters))
    }

    // MARK: Start and stop

    /// Opens the ports, attaches the XDP programs and starts the workers.
    ///
    /// *Throws*: the first system call that failed, with everything undone.
    public func start() throws(SystemError) {
        setFlowLabelMode(KernelSetting.read("net/ipv6/seg6_flowlabel").flatMap { Int($0) } ?? 0)
        let result: Result<Void, SystemError> = state.withLock { state in
            do throws(SystemError) {
                let engine = try Engine(
                    configuration, tables: state.tables.reader, links: Array(state.control.links.values),
                    color: state.color, report: report)
                for address in state.control.addresses.keys { engine.setLocal(address, true) }
                state.control.open(engine.links)
                state.counters.replace(engine.counts)
                state.engine = engine
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Starts one worker between ports made of arrays, without a thread: for replay, tests and measuring.
    public func startInMemory() throws(SystemError) -> MemoryDriver {
        let result: Result<MemoryDriver, SystemError> = state.withLock { state in
            do throws(SystemError) {
                let parts = try MemoryEngine(configuration, tables: state.tables.reader, color: state.color)
                state.counters.replace([parts.resources.counts])
                state.engine = Engine(inMemory: parts.resources)
                return .success(parts.driver)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Detaches the programs, lets the workers finish what they have, ends them and waits for them. The kernel
    /// forwards from here on.
    public func stop() {
        // The engine stays known until its workers have ended: whoever changes the tables meanwhile waits for them.
        let engine = state.withLock { $0.engine }
        engine?.stop()
        state.withLock { $0.engine = nil }
    }

    /// Brings the tables up to date with the kernel. Returns when every worker uses the new ones.
    public func apply(_ changes: [NetworkChange]) {
        state.withLock { state in
            let before = state.control.addresses
            let tableChanges = state.control.apply(changes)
            state.publish(tableChanges)
            guard let engine = state.engine else { return }
            for change in changes {
                switch change {
                case .address(let address): engine.setLocal(address.address.mapped, true)
                case .addressRemoved(let address):
                    let mapped = address.address.mapped
                    if before[mapped] != nil, state.control.addresses[mapped] == nil { engine.setLocal(mapped, false) }
                case .link(let link): engine.update(link)
                default: break
                }
            }
        }
    }

    /// Sets what the outer flow label is made of: the value of `net.ipv6.seg6_flowlabel`.
    public func setFlowLabelMode(_ value: Int) {
        let mode: FlowLabelMode = value < 0 ? .zero : value == 0 ? .copy : .hash
        state.withLock { $0.publish([.flowLabel(mode)]) }
    }

    /// Neighbors, but for permanent ones, that packets were sent to since the last call. The kernel does not see that use: whoever asks should
    /// tell it, so that it looks whether they are still there.
    public func neighborsInUse() -> [Neighbor.Key] {
        state.withLock { state in
            var used: [Neighbor.Key] = []
            var counts: [Neighbor.Key: UInt64] = [:]
            for (key, index) in state.control.mortalNeighbors() where index < Counters.maximumAdjacencies {
                let count = state.counters.all.reduce(0) { $0 &+ $1.adjacencies.load(index) }
                if count != state.neighborUse[key, default: 0] { used.append(key) }
                counts[key] = count
            }
            state.neighborUse = counts
            return used
        }
    }

    // MARK: FlowCounting

    public var capabilities: CountingCapabilities {
        CountingCapabilities(
            backend: "afxdp", maximumFlows: configuration.maximumFlows, maximumSegments: SegmentList.maximumCount,
            modes: [.encap, .encapRed])
    }

    public func addFlow(_ flow: Flow) throws(FlowError) {
        let result: Result<Void, FlowError> = state.withLock { state in
            do throws(FlowError) {
                let counter = try state.flows.add(flow)
                state.flows.setBase(state.counters.flow(counter, flow.direction), of: flow)
                switch flow.direction {
                case .egress: state.publish(state.control.setFlow(counter, of: flow.policy))
                case .ingress:
                    state.publish([.ingressFlow(segments: FlowKey(flow.policy).segments.reversed(), counter: counter)])
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    public func removeFlow(_ flow: Flow) throws(FlowError) {
        let isKnown = state.withLock { state in
            guard state.flows.contains(flow) else { return false }
            switch flow.direction {
            case .egress: state.publish(state.control.setFlow(nil, of: flow.policy))
            case .ingress: state.publish([.ingressFlowRemoved(segments: FlowKey(flow.policy).segments.reversed())])
            }
            // Only now that no worker counts on it may the counter be given to another flow.
            state.flows.remove(flow)
            return true
        }
        if !isKnown { throw .notMonitored(flow) }
    }

    public var activeColor: MarkColor { state.withLock { $0.color } }

    public func setActiveColor(_ color: MarkColor) {
        state.withLock { state in
            state.color = color
            state.engine?.setColor(color)
        }
    }

    public func reading(of flow: Flow) throws(FlowError) -> CounterSnapshot {
        let snapshot = state.withLock { state in
            state.flows.counter(of: flow).map { state.counters.flow($0.index, flow.direction) - $0.base }
        }
        guard let snapshot else { throw .notMonitored(flow) }
        return snapshot
    }

    public func readings() -> [FlowReading] {
        state.withLock { state in
            state.flows.all.map { flow, counter in
                FlowReading(flow: flow, counters: state.counters.flow(counter.index, flow.direction) - counter.base)
            }
        }
    }

    // MARK: What an operator sees

    /// The ports in the order of the configuration.
    public func ports() -> [PortStatus] {
        state.withLock { state in
            configuration.ports.enumerated().map { index, port in
                let link = state.control.links.values.first { $0.name == port.name }
                let opened = state.engine?.ports[port.name]
                return PortStatus(
                    name: port.name, linkIndex: link?.index ?? 0, mac: link?.mac ?? MACAddress(0), mtu: link?.mtu ?? 0,
                    isUp: link?.isUp ?? false, queueCount: opened?.queueCount ?? 0,
                    isZeroCopy: opened?.isZeroCopy ?? false, isBusyPolling: opened?.isBusyPolling ?? false,
                    received: state.counters.port(index, .receivedPackets, .receivedOctets),
                    transmitted: state.counters.port(index, .transmittedPackets, .transmittedOctets),
                    receiveDrops: opened?.receiveDrops ?? 0)
            }
        }
    }

    /// The kernel's routes by table, prefix and metric, with what the engine does about each.
    public func routes() -> [RouteStatus] {
        let routes = state.withLock { $0.control.routeStatus() }
        let keyed = routes.map { ($0.route.key, "\($0.route.key.prefix)", $0) }
        return keyed.sorted {
            ($0.0.table, $0.1, $0.0.metric, $0.0.linkIndex) < ($1.0.table, $1.1, $1.0.metric, $1.0.linkIndex)
        }.map(\.2)
    }

    public func localSIDs() -> [SIDStatus] {
        let sids = state.withLock { state in
            state.control.sids.map { place, sid in
                SIDStatus(
                    table: sid.table, prefix: place.prefix, localSID: sid.localSID,
                    processed: state.counters.sid(sid.index) - sid.base, isEngineExecuted: sid.isEngineExecuted)
            }
        }
        return sids.sorted { ($0.table, "\($0.prefix)") < ($1.table, "\($1.prefix)") }
    }

    public func policies() -> [PolicyStatus] {
        let policies = state.withLock { state in
            state.control.policies.map { policy, held in
                PolicyStatus(
                    policy: policy, prefixes: held.places.map(\.prefix).sorted { "\($0)" < "\($1)" },
                    isMonitored: state.flows.contains(Flow(policy: policy, direction: .egress)))
            }
        }
        return policies.sorted { "\($0.policy)" < "\($1.policy)" }
    }

    public func drops() -> [DropStatus] {
        state.withLock { state in
            DropReason.allCases.map { DropStatus(reason: $0, packets: state.counters.drops($0)) }
        }
    }

    public func workers() -> [WorkerStatus] {
        state.withLock { state in
            state.counters.all.enumerated().map { index, counters in
                func sum(_ sum: Counters.Sum) -> UInt64 { counters.sums.load(sum.rawValue) }
                let resources = state.engine?.workers[index]
                return WorkerStatus(
                    index: index, core: resources?.core, bursts: sum(.bursts), received: sum(.received),
                    transmitted: sum(.transmitted), punted: sum(.punted), dropped: sum(.dropped), sleeps: sum(.sleeps),
                    hasHugepages: resources?.hasHugepages ?? false)
            }
        }
    }
}

/// The counters of all workers, added up.
final class CounterSet: @unchecked Sendable {
    // Replaced under the data plane's lock only. Keeps the memory: the last counts can be read after the end.
    private var memory: [CounterMemory] = []

    func replace(_ counts: [CounterMemory]) { memory = counts }

    var all: [Counters] { memory.map(\.counters) }

    func sid(_ index: Int) -> PacketCount {
        all.reduce(PacketCount()) {
            $0 + PacketCount(packets: $1.sids.load(2 * index), octets: $1.sids.load(2 * index + 1))
        }
    }

    func flow(_ index: UInt32, _ direction: FlowDirection) -> CounterSnapshot {
        all.reduce(CounterSnapshot()) {
            $0 + $1.snapshot(of: index, in: direction == .ingress ? $1.ingress : $1.egress)
        }
    }

    func port(_ index: Int, _ packets: Counters.PortSum, _ octets: Counters.PortSum) -> PacketCount {
        all.reduce(PacketCount()) {
            $0
                + PacketCount(
                    packets: $1.ports.load(4 * index + packets.rawValue),
                    octets: $1.ports.load(4 * index + octets.rawValue))
        }
    }

    func drops(_ reason: DropReason) -> UInt64 { all.reduce(0) { $0 &+ $1.drops.load(Int(reason.rawValue)) } }
}

/// Which flow counts where.
struct FlowRegistry {
    struct Counter {
        var index: UInt32
        /// What the counters held when the flow came: indices are used again.
        var base: CounterSnapshot
        var order: Int
    }

    let limit: Int
    private var counters: [Flow: Counter] = [:]
    /// Flows that are counted on arrival, by what they look like there.
    private var byKey: [FlowKey: Flow] = [:]
    private var indices: [FlowDirection: IndexPool] = [.ingress: IndexPool(), .egress: IndexPool()]
    private var counts: [FlowDirection: Int] = [:]
    private var order = 0

    init(limit: Int) { self.limit = limit }

    mutating func add(_ flow: Flow) throws(FlowError) -> UInt32 {
        guard counters[flow] == nil else { throw .alreadyMonitored(flow) }
        guard flow.policy.mode == .encap || flow.policy.mode == .encapRed else {
            throw .unsupported(flow, reason: "the engine encapsulates in modes encap and encap.red")
        }
        let key = FlowKey(flow.policy)
        if flow.direction == .ingress, let other = byKey[key] { throw .indistinguishable(flow, from: other) }
        guard counts[flow.direction, default: 0] < limit else { throw .tableFull(limit: limit) }
        let index = UInt32(indices[flow.direction]?.take() ?? 0)
        counters[flow] = Counter(index: index, base: CounterSnapshot(), order: order)
        counts[flow.direction, default: 0] += 1
        order += 1
        if flow.direction == .ingress { byKey[key] = flow }
        return index
    }

    mutating func setBase(_ base: CounterSnapshot, of flow: Flow) { counters[flow]?.base = base }

    mutating func remove(_ flow: Flow) {
        guard let counter = counters.removeValue(forKey: flow) else { return }
        counts[flow.direction, default: 0] -= 1
        indices[flow.direction]?.give(Int(counter.index))
        if flow.direction == .ingress { byKey[FlowKey(flow.policy)] = nil }
    }

    func contains(_ flow: Flow) -> Bool { counters[flow] != nil }

    func counter(of flow: Flow) -> Counter? { counters[flow] }

    /// In the order in which they were added.
    var all: [(Flow, Counter)] { counters.sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value) } }
}
