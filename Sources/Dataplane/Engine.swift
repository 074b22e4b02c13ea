// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// Everything that exists while the engine runs: punt device, programs, sockets, threads.
final class Engine {
    /// A port that is open.
    struct OpenPort {
        let queueCount: Int
        let isBusyPolling: Bool
        let sockets: [XDPSocket]

        var isZeroCopy: Bool { !sockets.isEmpty && sockets.allSatisfy(\.isZeroCopy) }
        var receiveDrops: UInt64 { sockets.reduce(0) { $0 + $1.receiveDrops } }
    }

    let workers: [WorkerResources]
    private(set) var ports: [String: OpenPort] = [:]
    private var programs: [String: RedirectProgram] = [:]
    /// Indices of the ports by that of their links.
    private(set) var links: [Int: Int] = [:]
    private let punt: PuntDevice?
    /// What the configuration calls the ports, by link.
    private let names: [Int: String]
    private var threads: [WorkerThread] = []

    var clocks: [BurstClock] { workers.map(\.clock) }
    var counts: [CounterMemory] { workers.map(\.counts) }

    /// The parts of an engine without threads.
    init(inMemory resources: WorkerResources) {
        workers = [resources]
        punt = nil
        names = [:]
    }

    /// Opens everything; the last step attaches the programs.
    init(
        _ configuration: DataplaneConfiguration, tables: TableReader, links: [Link], color: MarkColor,
        report: Dataplane.Report
    ) throws(SystemError) {
        let path = try RedirectProgram.objectPath(directory: configuration.bpfDirectory)
        let plan = try PortPlan.make(configuration, links: links)
        self.links = Dictionary(uniqueKeysWithValues: plan.enumerated().map { ($1.linkIndex, $0) })
        names = Dictionary(uniqueKeysWithValues: plan.map { ($0.linkIndex, $0.name) })
        punt = try PuntDevice(
            name: configuration.puntDevice, queueCount: configuration.workerCount, report: report)
        let cores = configuration.cores.isEmpty ? WorkerThread.allowedCores() : configuration.cores
        var workers: [WorkerResources] = []
        var builders: [WorkerBuilder] = []
        for index in 0..<configuration.workerCount {
            let core = cores.isEmpty ? nil : cores[index % cores.count]
            let builder = try WorkerBuilder(configuration, index: index, core: core, plan: plan, report: report)
            builder.resources.setColor(color)
            builders.append(builder)
            workers.append(builder.resources)
        }
        self.workers = workers
        try openPrograms(plan, path: path, workers: workers)
        for (index, builder) in builders.enumerated() {
            let queue = PuntQueue(descriptor: punt?.descriptors[index] ?? -1, port: -1)
            let worker = try builder.build(tables: tables, punt: queue)
            threads.append(try WorkerThread(worker, index: index, core: builder.core))
            workers[index].core = threads[index].core
            report(workers[index].story)
        }
        do throws(SystemError) {
            for port in plan { try programs[port.name]?.attach(index: port.linkIndex) }
        } catch {
            stop()
            throw error
        }
        for port in plan { report(story(of: port)) }
    }

    private func openPrograms(_ plan: [PortPlan], path: String, workers: [WorkerResources]) throws(SystemError) {
        var first: RedirectProgram?
        for port in plan {
            let program = try RedirectProgram(path: path, interface: port.name, sharing: first)
            first = first ?? program
            var sockets: [XDPSocket] = []
            for worker in workers {
                for (queue, socket) in worker.sockets[port.name] ?? [] {
                    try program.setSocket(socket.rings.descriptor, queue: queue)
                    sockets.append(socket)
                }
            }
            program.setMAC(port.mac)
            programs[port.name] = program
            ports[port.name] = OpenPort(
                queueCount: port.queueCount, isBusyPolling: worksBusily(port, workers), sockets: sockets)
        }
    }

    private func worksBusily(_ port: PortPlan, _ workers: [WorkerResources]) -> Bool {
        workers.allSatisfy { $0.busyPorts.contains(port.name) }
    }

    private func story(of port: PortPlan) -> String {
        guard let open = ports[port.name] else { return "" }
        let mode =
            open.isZeroCopy ? "zero-copy" : "copy (\(open.sockets.first?.copyReason ?? "unknown"))"
        return "port \(port.name): \(port.queueCount) queue\(port.queueCount == 1 ? "" : "s"), \(mode), "
            + (open.isBusyPolling ? "busy polling" : "interrupts")
    }

    /// Partner of `SharedState.scheme`: after the return every worker is in a burst that began with the new color.
    func setColor(_ color: MarkColor) {
        for worker in workers { worker.setColor(color) }
        for clock in clocks { clock.waitForBoundary() }
    }

    func setLocal(_ address: IPv6Address, _ isLocal: Bool) { programs.first?.value.setLocal(address, isLocal) }

    /// Follows a port's change of MAC address.
    func update(_ link: Link) {
        if let name = names[link.index] { programs[name]?.setMAC(link.mac) }
    }

    /// Programs off, then threads: what is in the rings is still forwarded. Sockets close with the engine.
    func stop() {
        for program in programs.values { program.detach() }
        for worker in workers { worker.stop() }
        for thread in threads { thread.join() }
        threads = []
    }

    deinit { stop() }
}

/// What is known of a port before it is opened.
struct PortPlan {
    let name: String
    let linkIndex: Int
    let mac: MACAddress
    let queueCount: Int

    /// Finds the configured ports among the links. *Throws*: when one is missing or has too few queues.
    static func make(_ configuration: DataplaneConfiguration, links: [Link]) throws(SystemError) -> [PortPlan] {
        var plan: [PortPlan] = []
        for port in configuration.ports {
            guard let link = links.first(where: { $0.name == port.name }) else {
                throw SystemError("open port \(port.name)", code: ENODEV)
            }
            let largest = Umem.packetCapacity - EthernetView.byteCount
            guard link.mtu <= largest else {
                throw SystemError(
                    "open port \(port.name) with an MTU of \(link.mtu): a frame holds packets of \(largest) octets",
                    code: EMSGSIZE)
            }
            let queues = Interface.receiveQueueCount(port.name)
            guard queues >= configuration.workerCount else {
                throw SystemError(
                    "give each of \(configuration.workerCount) workers a queue of \(port.name), which has \(queues) "
                        + "(ethtool -L \(port.name) combined \(configuration.workerCount) makes them where it can)",
                    code: EINVAL)
            }
            plan.append(PortPlan(name: port.name, linkIndex: link.index, mac: link.mac, queueCount: queues))
        }
        return plan
    }
}

/// A worker's cells: burst clock, counters, and what the control side tells it.
final class CounterMemory {
    let clock: BurstClock
    let counters: Counters
    private let region: Region
    private let sharedOffset: Int

    init(maximumFlows: Int) throws(SystemError) {
        // Touched only where flows are: ordinary pages, which the kernel gives one by one.
        sharedOffset = Counters.byteCount(maximumFlows: maximumFlows)
        region = try Region(byteCount: sharedOffset + SharedState.byteCount, hugepages: false)
        clock = BurstClock(region)
        counters = Counters(region, maximumFlows: maximumFlows)
    }

    func sharedState(marking: MarkingScheme, waits: PollSet) -> SharedState {
        SharedState(region, byteOffset: sharedOffset, marking: marking, waits: waits)
    }
}

/// What outlives a worker's thread: its counters, its clock, its sockets.
final class WorkerResources {
    /// Kept by whoever reads the counters, after the worker's end too.
    let counts: CounterMemory
    let shared: SharedState
    /// Sockets by port, with the queue that each is bound to.
    let sockets: [String: [(queue: Int, socket: XDPSocket)]]
    /// Ports whose sockets are busy polled.
    let busyPorts: Set<String>
    let hasHugepages: Bool
    var core: Int?
    private let index: Int
    private let waits: PollSet
    private let wakeup: Int32

    init(
        _ configuration: DataplaneConfiguration, index: Int,
        sockets: [String: [(queue: Int, socket: XDPSocket)]], busyPorts: Set<String>, hasHugepages: Bool
    ) throws(SystemError) {
        self.index = index
        self.sockets = sockets
        self.busyPorts = busyPorts
        self.hasHugepages = hasHugepages
        counts = try CounterMemory(maximumFlows: configuration.maximumFlows)
        wakeup = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wakeup >= 0 else { throw SystemError("make an eventfd", code: errno) }
        let descriptors = sockets.values.flatMap { $0.map(\.socket.rings.descriptor) }
        waits = PollSet(descriptors + [wakeup])
        shared = counts.sharedState(marking: configuration.marking, waits: waits)
    }

    var clock: BurstClock { counts.clock }
    var counters: Counters { counts.counters }

    deinit { close(wakeup) }

    func setColor(_ color: MarkColor) { shared.setColor(color) }

    /// Tells the thread to end, and wakes it.
    func stop() {
        shared.stop()
        var one: UInt64 = 1
        _ = unsafe write(wakeup, &one, 8)
    }

    /// What was decided, in one line.
    var story: String {
        let queues = sockets.sorted { $0.key < $1.key }
            .map { "\($0.key)/\($0.value.map { "\($0.queue)" }.joined(separator: "+"))" }.joined(separator: " ")
        return "worker \(index): \(core.map { "core \($0)" } ?? "no core of its own"), queues \(queues), "
            + (hasHugepages ? "frames in hugepages" : "frames in ordinary pages (no hugepages to be had)")
    }
}

/// Opens a worker's memory and sockets, and makes the worker from them.
final class WorkerBuilder {
    let resources: WorkerResources
    let core: Int?
    private let configuration: DataplaneConfiguration
    private let plan: [PortPlan]
    private var umem: Umem?

    init(
        _ configuration: DataplaneConfiguration, index: Int, core: Int?, plan: [PortPlan], report: Dataplane.Report
    ) throws(SystemError) {
        self.configuration = configuration
        self.core = core
        self.plan = plan
        let node = core.flatMap { numa_available() >= 0 ? Int(numa_node_of_cpu(Int32($0))) : nil }
        let workers = configuration.workerCount
        let queueCount = plan.reduce(0) { $0 + ($1.queueCount - index + workers - 1) / workers }
        // Each queue can have a full fill ring and a full transmit ring.
        let frames = max(queueCount, 1) * 2 * configuration.ringSize
        let umem = try Umem(
            frameCount: frames, hugepages: configuration.hugepages, node: node.flatMap { $0 >= 0 ? $0 : nil })
        let hasHugepages = umem.region.isHuge
        let sockets = try Self.openSockets(umem.region, frames: frames, configuration, index: index, plan: plan)
        self.umem = consume umem
        var busyPorts: Set<String> = []
        for wanted in configuration.ports where wanted.polling == .busyPoll {
            for (_, socket) in sockets[wanted.name] ?? [] {
                if socket.enableBusyPolling(budget: configuration.burstSize) {
                    busyPorts.insert(wanted.name)
                } else {
                    report("port \(wanted.name): the kernel refused busy polling (Linux 5.11 has it); using interrupts")
                }
            }
        }
        resources = try WorkerResources(
            configuration, index: index, sockets: sockets, busyPorts: busyPorts, hasHugepages: hasHugepages)
    }

    private typealias Sockets = [String: [(queue: Int, socket: XDPSocket)]]

    /// Opens the worker's queue of every port on one UMEM: all without copying, or all with.
    private static func openSockets(
        _ region: borrowing Region, frames: Int, _ configuration: DataplaneConfiguration, index: Int, plan: [PortPlan]
    ) throws(SystemError) -> Sockets {
        func open(_ zeroCopy: DataplaneConfiguration.ZeroCopy, _ reason: String) throws(SystemError) -> Sockets {
            let umem = try UmemRegistration(
                region, byteCount: frames * Umem.frameByteCount, ringSize: configuration.ringSize, copyReason: reason)
            var sockets: Sockets = [:]
            for port in plan {
                for queue in stride(from: index, to: port.queueCount, by: configuration.workerCount) {
                    let socket = try XDPSocket(
                        interface: port.name, queue: queue, umem: umem, ringSize: configuration.ringSize,
                        zeroCopy: zeroCopy)
                    sockets[port.name, default: []].append((queue, socket))
                }
            }
            return sockets
        }
        let refusing = configuration.ports.filter { $0.zeroCopy == .off }.map(\.name)
        guard refusing.isEmpty else {
            return try open(.off, "the configuration says so for \(refusing.joined(separator: ", "))")
        }
        do throws(SystemError) {
            return try open(.auto, "")
        } catch {
            // A port that cannot do without copying beside one that can.
            return try open(.off, "\(error)")
        }
    }

    /// The worker; can be made once.
    func build(tables: TableReader, punt: PuntQueue) throws(SystemError) -> Worker {
        guard let umem = umem.take() else { throw SystemError("make a worker twice", code: EINVAL) }
        let count = resources.sockets.values.reduce(0) { $0 + $1.count }
        var queues = OwnedArray<PortQueue>(capacity: count)
        for (index, port) in plan.enumerated() {
            for (place, entry) in (resources.sockets[port.name] ?? []).enumerated() {
                queues.append(
                    PortQueue(
                        port: index, rings: entry.socket.rings, isBusyPolling: resources.busyPorts.contains(port.name),
                        transmits: place == 0))
            }
        }
        let exchange = Exchange(
            umem: umem, queues: queues, counters: resources.counters, punt: punt, puntRate: configuration.puntRate)
        return Worker(
            exchange: exchange, burstSize: configuration.burstSize, tables: tables, clock: resources.clock,
            shared: resources.shared)
    }
}

/// One worker between ports made of arrays.
struct MemoryEngine {
    let driver: MemoryDriver
    let resources: WorkerResources

    init(_ configuration: DataplaneConfiguration, tables: TableReader, color: MarkColor) throws(SystemError) {
        // One port more than configured stands for the kernel.
        let count = configuration.ports.count + 1
        let umem = try Umem(
            frameCount: count * 2 * configuration.ringSize, hugepages: configuration.hugepages, node: nil)
        resources = try WorkerResources(
            configuration, index: 0, sockets: [:], busyPorts: [], hasHugepages: umem.region.isHuge)
        resources.setColor(color)
        let ports = (0..<count).map { _ in MemoryPort(ringSize: configuration.ringSize) }
        var queues = OwnedArray<PortQueue>(capacity: count)
        for (index, port) in ports.enumerated() {
            queues.append(PortQueue(port: index, rings: port.rings, isBusyPolling: false, transmits: true))
        }
        let frames = FrameMemory(umem.region)
        let punt = PuntQueue(descriptor: -1, port: Int32(count - 1))
        let exchange = Exchange(
            umem: umem, queues: queues, counters: resources.counters, punt: punt, puntRate: configuration.puntRate)
        let worker = Worker(
            exchange: exchange, burstSize: configuration.burstSize, tables: tables, clock: resources.clock,
            shared: resources.shared)
        driver = MemoryDriver(worker: worker, ports: ports, region: frames)
    }
}
