// SPDX-License-Identifier: Apache-2.0
import API
import Dataplane
import Dispatch
import Glibc
import Logging
import Measurement
import SRv6
import Synchronization

/// A router from its configuration to its end.
package struct Daemon: Sendable {
    private let configuration: AgentConfiguration
    private let engine: any Engine
    private let network: any NetworkSource
    private let logger: Logger
    /// How long calls may go on after the end was asked for.
    private static let grace = Duration.seconds(2)

    package init(
        configuration: AgentConfiguration, engine: any Engine, network: any NetworkSource, logger: Logger
    ) {
        self.configuration = configuration
        self.engine = engine
        self.network = network
        self.logger = logger
    }

    /// The daemon that the configuration asks for, with the kernel's network state.
    ///
    /// *Throws*: `ConfigurationError` when the engine refuses it, `SystemError` when the kernel does.
    package init(configuration: AgentConfiguration, logger: Logger) throws {
        let engine = try Dataplane(configuration.dataplane) { logger.info("\($0)") }
        self.init(configuration: configuration, engine: engine, network: try kernelNetwork(), logger: logger)
    }

    /// Forwards and serves until `stop` finishes or yields; then gives the ports back to the kernel and returns.
    package func run(until stop: AsyncStream<Void>) async throws {
        let startedAt = ColorThread.wall()
        logger.info("srv6pmd \(projectVersion) starts, backend \(configuration.backend.rawValue)")
        // Before anything is touched: two daemons on one machine are one too many.
        try UnixSocket.prepare(configuration.socket)
        let meter = Meter(router: engine, clock: configuration.colorClock)
        try await offPool { try bringUp(meter) }
        let keeper = NeighborKeeper(engine: engine, network: network)
        let color = configuration.colorClock.map { clock in
            ColorThread(meter: meter, clock: clock) { [logger] in logger.warning("\($0)") }
        }
        let server = ControlServer(
            path: configuration.socket, meter: meter, marking: configuration.dataplane.marking, startedAt: startedAt)
        var failure: (any Error)?
        do {
            try await serve(with: server, until: stop) {
                // Detach first: from here on the kernel forwards, whatever else takes its time.
                engine.stop()
                keeper.stop()
                network.stop()
                color?.stop()
                meter.close()
            }
        } catch {
            failure = error
        }
        logger.info("srv6pmd ends")
        if let failure { throw failure }
    }

    /// Tables before ports, so that no packet meets empty ones.
    private func bringUp(_ meter: Meter) throws {
        try network.start { [engine] in engine.apply($0) }
        do {
            for (index, flow) in configuration.flows.enumerated() {
                do {
                    try engine.addFlow(flow)
                } catch {
                    throw StartError("flows[\(index)]: \(error)")
                }
            }
            if let clock = configuration.colorClock { engine.setActiveColor(clock.color(at: ColorThread.wall())) }
            try engine.start()
        } catch {
            network.stop()
            throw error
        }
        logStart()
    }

    private func logStart() {
        let marking = configuration.dataplane.marking
        if marking.mask & 0x03 != 0 {
            logger.warning("the mark covers ECN bits: congestion along the path may change it")
        }
        let period = configuration.colorClock.map { "every \($0.period)" } ?? "by hand"
        let values = "mask \(hex(marking.mask)), a \(hex(marking.a)), b \(hex(marking.b))"
        logger.info("marking \(configuration.flows.count) flows with \(values); color switches \(period)")
    }

    private func hex(_ octet: UInt8) -> String { "0x" + (octet < 16 ? "0" : "") + String(octet, radix: 16) }

    /// What ends the wait of the daemon.
    private enum Event {
        case stopAsked, serverEnded, graceOver
    }

    /// Serves; `shutDown` runs once, when the end comes, whatever brings it.
    private func serve(
        with server: ControlServer, until stop: AsyncStream<Void>, shutDown: @escaping @Sendable () -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Event.self) { group in
            group.addTask { [logger, configuration] in
                try await server.run {
                    logger.info("serving on \(configuration.socket)")
                    notify("READY=1")
                }
                return .serverEnded
            }
            group.addTask {
                for await _ in stop { break }
                return .stopAsked
            }
            let first = await group.nextResult()
            notify("STOPPING=1")
            await offPool(shutDown)
            server.stop()
            defer { group.cancelAll() }
            guard case .success(.stopAsked) = first else {
                group.cancelAll()
                _ = try first?.get()
                throw StartError("the control server ended on its own")
            }
            group.addTask {
                try await Task.sleep(for: Self.grace)
                return .graceOver
            }
            _ = try await group.next()
        }
    }

    /// A service manager that does not hear is no reason to stop routing.
    private func notify(_ state: String) {
        do {
            try UnixSocket.notify(state)
        } catch {
            logger.warning("\(error)")
        }
    }

    /// Runs what waits for threads or the kernel outside Swift's pool of threads.
    private func offPool(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try body() }) }
        }
    }

    private func offPool(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                body()
                continuation.resume()
            }
        }
    }
}

/// Why a daemon did not come up, in one line.
package struct StartError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// SIGTERM and SIGINT as events while it lives: the first asks for the end, the second ends the process at once.
package final class StopSignals {
    package let events: AsyncStream<Void>
    private let sources: [any DispatchSourceSignal]

    package init() {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        events = stream
        let queue = DispatchQueue(label: "srv6pm.signals")
        let isSecond = Mutex(false)
        sources = [SIGTERM, SIGINT].map { number in
            // The default action would come before the source's.
            _ = signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if isSecond.withLock({ seen in
                    defer { seen = true }
                    return seen
                }) {
                    _exit(1)
                }
                continuation.yield()
            }
            source.resume()
            return source
        }
    }
}
