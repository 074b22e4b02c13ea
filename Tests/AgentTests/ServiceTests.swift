// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Measurement
import SRv6
import Synchronization
import Testing

typealias Router = RouterClient<HTTP2ClientTransport.Posix>

/// A directory of its own for every test; short, because paths of sockets are.
func withDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("srv6pm-\(UUID().uuidString.prefix(8))")
        .path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    do {
        let result = try await body(path)
        try FileManager.default.removeItem(atPath: path)
        return result
    } catch {
        try FileManager.default.removeItem(atPath: path)
        throw error
    }
}

/// Waits for a condition, for ten seconds at most.
func eventually(_ condition: () -> Bool) async throws {
    for _ in 0..<1000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
    #expect(condition())
}

/// Serves a scripted router on a real socket while the body runs.
func withService(
    _ router: ScriptedRouter, clock: ColorClock? = nil,
    _ body: @escaping @Sendable (Router, Meter, String) async throws -> Void
) async throws {
    try await withDirectory { directory in
        let path = directory + "/deep/down/srv6pmd.sock"
        let meter = Meter(router: router, clock: clock)
        let server = ControlServer(
            path: path, meter: meter, marking: .dscp, startedAt: WallTime(nanoseconds: 1_764_000_000_000_000_001))
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { continuation.finish() } }
            for await _ in ready {}
            try await withGRPCClient(
                transport: .http2NIOPosix(target: .unixDomainSocket(path: path), transportSecurity: .plaintext)
            ) { client in
                try await body(RouterClient(client), meter, path)
            }
            meter.close()
            server.stop()
            try await group.waitForAll()
        }
        #expect(UnixSocket.occupant(of: path) == .nothing)
    }
}

/// The status and the message that a call ends with.
private func failure(_ call: () async throws -> Void) async -> String {
    do {
        try await call()
        return "success"
    } catch let error as RPCError {
        return "\(error.code): \(error.message)"
    } catch {
        return "\(error)"
    }
}

@Suite struct ServiceTests {
    private func at(_ milliseconds: Int64) -> WallTime { WallTime(nanoseconds: milliseconds * 1_000_000) }

    @Test func everythingIsListed() async throws {
        var content = ScriptedRouter.Content()
        content.ports = [Sample.port]
        content.routes = [Sample.route]
        content.localSIDs = [Sample.sid]
        content.policies = [Sample.policyStatus]
        content.drops = [DropStatus(reason: .badSRH, packets: 3), DropStatus(reason: .blackhole, packets: 4)]
        content.workers = [Sample.worker]
        try await withService(ScriptedRouter(content)) { router, _, _ in
            #expect(try await router.ports() == [Sample.port])
            let (routes, interfaces) = try await router.routes()
            #expect(routes == [Sample.route])
            #expect(interfaces[1] == nil)
            let sids = try await router.localSIDs().sids
            #expect(sids == [Sample.sid])
            #expect(try await router.policies() == [Sample.policyStatus])
            #expect(try await router.drops().map(\.packets) == [3, 4])
            #expect(try await router.workers() == [Sample.worker])
            #expect(try await router.blocks().isEmpty)
        }
    }

    @Test func nextHopsHaveNames() async throws {
        var content = ScriptedRouter.Content()
        var route = Sample.route
        route.route.nextHops = [NextHop(linkIndex: 1)]
        content.routes = [route]
        try await withService(ScriptedRouter(content)) { router, _, _ in
            let names = try await router.routes().interfaces
            #expect(names == [1: "lo"])
        }
    }

    @Test func theStatusIsTheRouters() async throws {
        try await withService(ScriptedRouter(maximumFlows: 77), clock: ColorClock(period: .seconds(10))) {
            router, _, _ in
            let status = try await router.status()
            #expect(
                status
                    == RouterStatus(
                        version: projectVersion, startedAt: WallTime(nanoseconds: 1_764_000_000_000_000_001),
                        marking: .dscp, colorClock: ColorClock(period: .seconds(10)), activeColor: .a,
                        capabilities: CountingCapabilities(
                            backend: "afxdp", maximumFlows: 77, maximumSegments: 16, modes: [.encap, .encapRed])))
        }
    }

    @Test func flowsAreAddedCountedAndRemoved() async throws {
        let scripted = ScriptedRouter()
        try await withService(scripted) { router, _, _ in
            try await router.addFlow(Sample.egress)
            try await router.addFlow(Sample.ingress)
            scripted.count(Sample.egress, .a)
            scripted.count(Sample.egress, .b)
            scripted.count(Sample.egress, .b)
            let readings = try await router.flows()
            #expect(readings.map(\.flow) == [Sample.egress, Sample.ingress])
            #expect(readings[0].counters.a == PacketCount(packets: 1, octets: 100))
            #expect(readings[0].counters.b == PacketCount(packets: 2, octets: 200))
            try await router.removeFlow(Sample.egress)
            #expect(try await router.flows().map(\.flow) == [Sample.ingress])
        }
    }

    @Test func refusalsHaveCanonicalCodes() async throws {
        try await withService(ScriptedRouter(maximumFlows: 2)) { router, _, _ in
            try await router.addFlow(Sample.egress)
            #expect(
                await failure { try await router.addFlow(Sample.egress) }
                    == "alreadyExists: flow: flow egress fcff:2::1,fcff:3::100 encap is monitored already")
            let longer = Flow(
                policy: Policy(segments: Sample.list("fcff:9::1,fcff:2::1,fcff:3::100"), mode: .encapRed),
                direction: .egress)
            #expect(
                await failure { try await router.addFlow(longer) }
                    == "failedPrecondition: flow: flow egress fcff:9::1,fcff:2::1,fcff:3::100 encap.red looks on the wire "
                    + "like flow egress fcff:2::1,fcff:3::100 encap, monitored already")
            let inline = Flow(policy: Policy(segments: Sample.list("fcff:7::1"), mode: .inline), direction: .egress)
            #expect(
                await failure { try await router.addFlow(inline) }
                    == "failedPrecondition: flow: flow egress fcff:7::1 inline cannot be monitored: "
                    + "the mode is not one of this backend's")
            #expect(
                await failure { try await router.removeFlow(Sample.ingress) }
                    == "notFound: flow: flow ingress fcff:2::1,fcff:1::100 encap is not monitored")
            #expect(
                await failure { _ = try await router.blocks(of: Sample.ingress) }
                    == "notFound: flow: flow ingress fcff:2::1,fcff:1::100 encap is not monitored")
            try await router.addFlow(Sample.ingress)
            let third = Flow(policy: Policy(segments: Sample.list("fcff:7::1")), direction: .egress)
            #expect(
                await failure { try await router.addFlow(third) }
                    == "resourceExhausted: flow: all 2 flow counters of this direction are in use")
        }
    }

    @Test func nonsenseIsAnInvalidArgument() async throws {
        try await withService(ScriptedRouter()) { _, _, path in
            try await withGRPCClient(
                transport: .http2NIOPosix(target: .unixDomainSocket(path: path), transportSecurity: .plaintext)
            ) { client in
                let raw = Srv6pm_V1_Router.Client(wrapping: client)
                #expect(
                    await failure { _ = try await raw.addFlow(Srv6pm_V1_AddFlowRequest()) }
                        == "invalidArgument: flow.segments: found 0 segments, expected 1 to 16")
                var request = Srv6pm_V1_RemoveFlowRequest()
                request.flow.segments = ["fcff::1", "fcff::x"]
                #expect(
                    await failure { _ = try await raw.removeFlow(request) }
                        == "invalidArgument: flow.segments[1]: found \"fcff::x\", expected an IPv6 address")
                #expect(
                    await failure { _ = try await raw.setColor(Srv6pm_V1_SetColorRequest()) }
                        == "invalidArgument: color: found nothing, expected a or b")
            }
        }
    }

    @Test func theColorIsSwitchedByHand() async throws {
        let scripted = ScriptedRouter()
        try await withService(scripted) { router, _, _ in
            #expect(try await router.color() == .a)
            try await router.setColor(.b)
            #expect(scripted.activeColor == .b)
            #expect(try await router.color() == .b)
            #expect(
                await failure { try await router.watchBlocks(includeKept: false) { _ in } }
                    == "failedPrecondition: color_clock: not configured, so that no block ever closes")
        }
    }

    @Test func theColorClockIsNotInterferedWith() async throws {
        let scripted = ScriptedRouter()
        try await withService(scripted, clock: ColorClock(period: .milliseconds(500))) { router, _, _ in
            #expect(
                await failure { try await router.setColor(.b) }
                    == "failedPrecondition: color: the color clock switches it every 500ms, not the operator")
            #expect(scripted.activeColor == .a)
        }
    }

    @Test func blocksAreListedAndWatched() async throws {
        let scripted = ScriptedRouter()
        try await withService(scripted, clock: ColorClock(period: .seconds(1))) { router, meter, _ in
            try await router.addFlow(Sample.egress)
            for block in Int64(10)...12 { meter.readFlows { at(block * 1000 + 500) } }
            #expect(try await router.blocks().map(\.number) == [11])
            #expect(try await router.blocks(of: Sample.egress).map(\.number) == [11])
            let seen = Mutex<[Int64]>([])
            let watching = Task {
                await failure {
                    try await router.watchBlocks(includeKept: true) { block in seen.withLock { $0.append(block.number) }
                    }
                }
            }
            try await eventually { seen.withLock { $0 == [11] } }
            for block in Int64(13)...14 { meter.readFlows { at(block * 1000 + 500) } }
            try await eventually { seen.withLock { $0 == [11, 12, 13] } }
            meter.close()
            #expect(await watching.value == "unavailable: the router ends")
            #expect(
                await failure { try await router.watchBlocks(includeKept: true) { _ in } }
                    == "unavailable: the router ends")
        }
    }

    @Test func aSlowReaderIsDropped() async throws {
        let scripted = ScriptedRouter()
        let meter = Meter(router: scripted, clock: ColorClock(period: .seconds(1)))
        try meter.addFlow(Sample.egress)
        for block in Int64(10)...11 { meter.readFlows { at(block * 1000 + 500) } }
        let watch = meter.watch(includeKept: false)
        for block in Int64(12)...40 { meter.readFlows { at(block * 1000 + 500) } }
        var seen: [Int64] = []
        await #expect(throws: Meter.WatchEnd.tooSlow) {
            for try await blocks in watch { seen += blocks.map(\.number) }
        }
        #expect(seen == Array(11...26))
    }

    @Test func theSocketIsItsOwnersAlone() async throws {
        try await withService(ScriptedRouter()) { router, _, path in
            _ = try await router.color()
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            let directory = try FileManager.default.attributesOfItem(
                atPath: (path as NSString).deletingLastPathComponent)
            #expect(directory[.posixPermissions] as? Int == 0o755)
            #expect(UnixSocket.occupant(of: path) == .listener)
            #expect(throws: SystemError("listen on \(path), where another daemon answers", code: EADDRINUSE)) {
                try UnixSocket.prepare(path)
            }
        }
    }

    @Test func whatAKilledDaemonLeftIsRemovedAndNothingElse() async throws {
        try await withDirectory { directory in
            let stale = directory + "/stale.sock"
            // A listener that is gone without having removed its name.
            let script = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\(stale)')"
            #expect(try await run("/usr/bin/python3", ["-c", script]).status == 0)
            #expect(UnixSocket.occupant(of: stale) == .stale)
            try UnixSocket.prepare(stale)
            #expect(UnixSocket.occupant(of: stale) == .nothing)
            let file = directory + "/file"
            try "precious".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(UnixSocket.occupant(of: file) == .otherFile)
            #expect(throws: SystemError("listen on \(file), which is not a socket", code: EEXIST)) {
                try UnixSocket.prepare(file)
            }
            #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
        }
    }
}

/// A client of a socket while the body runs.
func withClient(_ path: String, _ body: @escaping @Sendable (Router) async throws -> Void) async throws {
    try await withGRPCClient(
        transport: .http2NIOPosix(target: .unixDomainSocket(path: path), transportSecurity: .plaintext)
    ) { try await body(RouterClient($0)) }
}
