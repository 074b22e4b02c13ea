// SPDX-License-Identifier: Apache-2.0
import Agent
import GRPCNIOTransportHTTP2Posix
import Logging
import Measurement
import SRv6
import Synchronization
import Testing

/// A kernel that says two things when it is asked.
private final class ScriptedNetwork: NetworkSource {
    let log = Mutex<[String]>([])

    func start(deliver: @escaping @Sendable ([NetworkChange]) -> Void) throws(SystemError) {
        log.withLock { $0.append("start") }
        deliver([.linkRemoved(index: 1), .linkRemoved(index: 2)])
    }

    func stop() { log.withLock { $0.append("stop") } }

    func refresh(_ key: Neighbor.Key) { log.withLock { $0.append("refresh \(key.address)") } }
}

@Suite struct DaemonTests {
    private func configuration(in directory: String, flows: [Flow] = [], period: Nanoseconds? = nil)
        -> AgentConfiguration
    {
        var configuration = AgentConfiguration()
        configuration.socket = directory + "/srv6pmd.sock"
        configuration.flows = flows
        configuration.colorClock = period.map(ColorClock.init(period:))
        return configuration
    }

    private func daemon(_ configuration: AgentConfiguration, _ router: ScriptedRouter, _ network: ScriptedNetwork)
        -> Daemon
    {
        Daemon(
            configuration: configuration, engine: router, network: network,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func tablesComeBeforePortsAndDetachingBeforeTheEnd() async throws {
        try await withDirectory { directory in
            let (router, network) = (ScriptedRouter(), ScriptedNetwork())
            let configuration = configuration(in: directory, flows: [Sample.egress])
            let (stop, continuation) = AsyncStream<Void>.makeStream()
            let running = Task { try await daemon(configuration, router, network).run(until: stop) }
            try await eventually { UnixSocket.occupant(of: configuration.socket) == .listener }
            #expect(router.log == ["apply 2", "add \(Sample.egress)", "start"])
            // A second daemon does not touch a thing.
            let second = ScriptedRouter()
            await #expect(throws: SystemError.self) {
                try await daemon(configuration, second, ScriptedNetwork()).run(until: stop)
            }
            #expect(second.log.isEmpty)
            #expect(UnixSocket.occupant(of: configuration.socket) == .listener)
            continuation.yield()
            try await running.value
            #expect(router.log.last == "stop")
            #expect(router.log.filter { $0 == "stop" }.count == 1)
            #expect(network.log.withLock { $0 } == ["start", "stop"])
            #expect(UnixSocket.occupant(of: configuration.socket) == .nothing)
        }
    }

    @Test func portsThatDoNotOpenEndTheDaemon() async throws {
        try await withDirectory { directory in
            var content = ScriptedRouter.Content()
            let error = SystemError("find the interface r1-r2", code: 19)
            content.startError = error
            let (router, network) = (ScriptedRouter(content), ScriptedNetwork())
            let (stop, _) = AsyncStream<Void>.makeStream()
            let configuration = configuration(in: directory)
            await #expect(throws: error) { try await daemon(configuration, router, network).run(until: stop) }
            #expect(error.description == "cannot find the interface r1-r2: No such device")
            #expect(network.log.withLock { $0 } == ["start", "stop"])
            #expect(UnixSocket.occupant(of: configuration.socket) == .nothing)
        }
    }

    @Test func flowsThatCannotBeMonitoredEndTheDaemon() async throws {
        try await withDirectory { directory in
            let (router, network) = (ScriptedRouter(), ScriptedNetwork())
            let inline = Flow(policy: Policy(segments: Sample.list("fcff:7::1"), mode: .inline), direction: .egress)
            let (stop, _) = AsyncStream<Void>.makeStream()
            let configuration = configuration(in: directory, flows: [Sample.egress, inline])
            await #expect(
                throws: StartError(
                    "flows[1]: flow egress fcff:7::1 inline cannot be monitored: the mode is not one of this backend's")
            ) { try await daemon(configuration, router, network).run(until: stop) }
            #expect(!router.log.contains("start"))
            #expect(network.log.withLock { $0 } == ["start", "stop"])
        }
    }

    /// The real clock, the real thread, and a watcher that does not keep the daemon from ending.
    @Test func theColorClockSwitchesReadsAndEnds() async throws {
        try await withDirectory { directory in
            let (router, network) = (ScriptedRouter(), ScriptedNetwork())
            let configuration = configuration(in: directory, flows: [Sample.egress], period: .milliseconds(100))
            let (stop, continuation) = AsyncStream<Void>.makeStream()
            let running = Task { try await daemon(configuration, router, network).run(until: stop) }
            try await eventually { UnixSocket.occupant(of: configuration.socket) == .listener }
            let seen = Mutex<[Block]>([])
            let path = configuration.socket
            let watching = Task {
                try await withClient(path) { client in
                    try await client.watchBlocks(includeKept: true) { block in seen.withLock { $0.append(block) } }
                }
            }
            try await eventually { seen.withLock { $0.count >= 5 } }
            continuation.yield()
            try await running.value
            await #expect(throws: (any Error).self) { try await watching.value }
            let blocks = seen.withLock { $0 }
            #expect(blocks.allSatisfy { $0.color == ($0.number & 1 == 0 ? .a : .b) })
            #expect(zip(blocks, blocks.dropFirst()).allSatisfy { $0.number < $1.number })
            let colors = router.log.filter { $0.hasPrefix("color") }
            #expect(Set(colors) == ["color a", "color b"])
        }
    }
}
