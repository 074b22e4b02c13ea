// SPDX-License-Identifier: Apache-2.0
import Agent
import Foundation
import Measurement
import SRv6
import Testing

struct Outcome: Equatable {
    var status: Int32
    var output: String
    var errors: String
}

/// Runs a program to its end.
func run(_ program: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    // Not in the test's own thread, which Swift needs.
    return try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
            continuation.resume(
                with: Result {
                    try process.run()
                    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                    process.waitUntilExit()
                    return Outcome(status: process.terminationStatus, output: text, errors: complaint)
                })
        }
    }
}

/// Where the programs of this build are: beside the tests.
private let programs: String? = {
    let test = CommandLine.arguments.first { $0.contains(".xctest") }
    return test.map { ($0 as NSString).deletingLastPathComponent }
}()

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

private var hasPrograms: Bool {
    guard let programs else { return false }
    return ["srv6pm", "srv6pmd"].allSatisfy { FileManager.default.isExecutableFile(atPath: "\(programs)/\($0)") }
}

@Suite(.enabled(if: hasPrograms, "the programs are not built beside the tests"))
struct ProgramTests {
    private func srv6pm(_ arguments: String..., socket: String) async throws -> Outcome {
        try await run("\(programs ?? "")/srv6pm", arguments + ["--socket", socket])
    }

    @Test func theOperatorSeesAndSteers() async throws {
        let scripted = ScriptedRouter()
        try await withService(scripted) { _, _, path in
            let flow = ["--segments", "fcff:2::1,fcff:3::100", "--direction", "egress"]
            let (add, remove) = (["flow", "add"] + flow, ["flow", "remove"] + flow)
            let program = "\(programs ?? "")/srv6pm"
            let environment = ["SRV6PM_SOCKET": path]
            #expect(try await run(program, add, environment: environment) == Outcome(status: 0, output: "", errors: ""))
            #expect(
                try await run(program, add, environment: environment)
                    == Outcome(
                        status: 1, output: "",
                        errors: "srv6pm: flow: flow egress fcff:2::1,fcff:3::100 encap is monitored already\n"))
            scripted.count(Sample.egress, .b)
            let shown = try await srv6pm("show", "flows", "--json", socket: path)
            #expect(shown.status == 0 && shown.errors == "")
            let rows = try #require(try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [[String: Any]])
            #expect(rows.count == 1)
            #expect((rows.first?["b"] as? [String: Int]) == ["packets": 1, "octets": 100])
            #expect((rows.first?["segments"] as? [String]) == ["fcff:2::1", "fcff:3::100"])
            #expect(try await srv6pm("color", socket: path).output == "a\n")
            #expect(try await srv6pm("color", "b", socket: path) == Outcome(status: 0, output: "", errors: ""))
            #expect(try await srv6pm("color", socket: path).output == "b\n")
            #expect(try await run(program, remove, environment: environment).status == 0)
            #expect(try await run(program, remove, environment: environment).status == 1)
            for subject in ["ports", "routes", "sids", "policies", "drops", "workers", "blocks", "status"] {
                #expect(try await srv6pm("show", subject, socket: path).status == 0)
            }
        }
    }

    @Test func aDaemonThatIsAwayIsSaidAtOnce() async throws {
        let begin = ContinuousClock.now
        #expect(
            try await srv6pm("show", "ports", socket: "/nowhere/srv6pmd.sock")
                == Outcome(
                    status: 69, output: "",
                    errors:
                        "srv6pm: /nowhere/srv6pmd.sock does not exist: is srv6pmd running, and is this its socket?\n"))
        #expect(ContinuousClock.now - begin < .seconds(5))
    }

    @Test(arguments: [
        ["show"], ["show", "everything"], ["color", "c"], ["flow", "add"], ["frobnicate"],
        ["flow", "add", "--segments", "x", "--direction", "egress"],
    ])
    func wrongArgumentsAreUsageErrors(arguments: [String]) async throws {
        #expect(try await run("\(programs ?? "")/srv6pm", arguments).status == 64)
    }

    @Test func theConfigurationIsChecked() async throws {
        try await withDirectory { directory in
            let file = directory + "/srv6pmd.yaml"
            let program = "\(programs ?? "")/srv6pmd"
            try "ports: [{name: r1-r2}]\n".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(
                try await run(program, ["--config", file, "--check-config"])
                    == Outcome(status: 0, output: "\(file): configuration is valid\n", errors: ""))
            try "ports: [{nam: r1-r2}]\nbackend: x\n".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(
                try await run(program, ["--config", file, "--check-config"])
                    == Outcome(
                        status: 78, output: "",
                        errors: """
                            srv6pmd: \(file): backend: found "x", expected afxdp, the only backend of this version
                            srv6pmd: \(file): ports[0].nam: found an unknown key, expected name, or another of name, polling, zero_copy
                            srv6pmd: \(file): ports[0].name: found nothing, expected the name of an interface, 1 to 15 characters

                            """))
            let missing = try await run(program, ["--config", directory + "/none.yaml"])
            #expect(
                missing
                    == Outcome(
                        status: 78, output: "",
                        errors: "srv6pmd: cannot open \(directory)/none.yaml: No such file or directory\n"))
            try Data([0x70, 0xff, 0x70]).write(to: URL(fileURLWithPath: file))
            #expect(
                try await run(program, ["--config", file])
                    == Outcome(status: 78, output: "", errors: "srv6pmd: \(file) is not UTF-8\n"))
        }
    }
}

@Suite struct ShippedFileTests {
    @Test func theExampleConfigurationIsValidAndComplete() throws {
        let text = try String(contentsOfFile: repository + "/configs/srv6pmd.yaml", encoding: .utf8)
        let configuration = try AgentConfiguration(yaml: text)
        #expect(configuration.dataplane.ports.map(\.name) == ["eth1", "eth2"])
        #expect(configuration.flows.map(\.direction) == [.egress, .ingress])
        #expect(configuration.colorClock == ColorClock(period: .seconds(10)))
        // What it calls the default is the default.
        var expected = AgentConfiguration()
        expected.dataplane.cores = [0]
        expected.dataplane.ports = configuration.dataplane.ports
        expected.flows = configuration.flows
        expected.colorClock = configuration.colorClock
        #expect(configuration == expected)
    }

    @Test(
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze"), "no systemd-analyze here"))
    func theUnitIsValid() async throws {
        try await withDirectory { directory in
            // The program is not installed where the unit expects it.
            let text = try String(contentsOfFile: repository + "/configs/srv6pmd.service", encoding: .utf8)
                .replacingOccurrences(of: "/usr/bin/srv6pmd", with: "/bin/true")
            let file = directory + "/srv6pmd.service"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let outcome = try await run("/usr/bin/systemd-analyze", ["verify", "--man=no", file])
            #expect(outcome == Outcome(status: 0, output: "", errors: ""))
        }
    }
}
