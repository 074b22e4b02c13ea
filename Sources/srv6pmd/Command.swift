// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import ArgumentParser
import Foundation
import Logging
import SRv6

@main
struct Command: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "srv6pmd",
        abstract: "The SRv6 router daemon.",
        discussion: """
            Forwards on the ports of the configuration by the kernel's routes, marks and counts monitored flows, and \
            answers srv6pm on a Unix socket. Ends in order on SIGTERM and SIGINT, at once on the second one.

            Exit codes: 0 ended by a signal, or the configuration is valid; 1 failure; 64 wrong arguments; \
            78 wrong configuration.
            """,
        version: projectVersion)

    /// `EX_CONFIG` of sysexits(3).
    private static let wrongConfiguration: Int32 = 78

    @Option(name: .long, help: ArgumentHelp("Configuration file, YAML.", valueName: "file"))
    var config = "/etc/srv6pm/srv6pmd.yaml"

    @Option(name: .long, help: "Data plane, instead of the one that the configuration names.")
    var backend: String?

    @Flag(name: .long, help: "Say whether the configuration is valid, and end.")
    var checkConfig = false

    func run() async throws {
        let configuration = try load()
        if checkConfig {
            print("\(config): configuration is valid")
            return
        }
        var logger = Logger(label: "srv6pmd") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = configuration.logLevel
        // What the daemon creates is its own: the control socket above all.
        umask(0o077)
        // Before anything that takes time, so that an early signal is not lost.
        let signals = StopSignals()
        defer { withExtendedLifetime(signals) {} }
        do {
            try await Daemon(configuration: configuration, logger: logger).run(until: signals.events)
        } catch let error as ConfigurationError {
            try fail("\(config): \(error)", code: Self.wrongConfiguration)
        } catch {
            try fail("\(error)", code: 1)
        }
    }

    private func load() throws -> AgentConfiguration {
        let descriptor = unsafe open(config, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            try fail("\(SystemError("open \(config)", code: errno))", code: Self.wrongConfiguration)
        }
        let data: Data
        do {
            data = try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).readToEnd() ?? Data()
        } catch {
            try fail("cannot read \(config): \(error.localizedDescription)", code: Self.wrongConfiguration)
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            try fail("\(config) is not UTF-8", code: Self.wrongConfiguration)
        }
        do {
            return try AgentConfiguration(yaml: text, backend: backend)
        } catch {
            try fail(error.list.map { "\(config): \($0)" }.joined(separator: "\n"), code: Self.wrongConfiguration)
        }
    }

    private func fail(_ message: String, code: Int32) throws -> Never {
        for line in message.split(separator: "\n") {
            FileHandle.standardError.write(Data("srv6pmd: \(line)\n".utf8))
        }
        throw ExitCode(code)
    }
}
