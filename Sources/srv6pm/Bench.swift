// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Bench

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure the engine on this machine.", subcommands: [PipelineCommand.self])
}

struct PipelineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pipeline",
        abstract: "Measure the packet path in memory, without drivers.",
        discussion: """
            Packets of all flows, drawn at random, go through parsing, lookup, rewriting, marking and counting, and out \
            into a ring. Every packet is checked to have come out, and every monitored one to have been counted once. \
            Writing packets into their frames, a driver's work, is not timed.

            forward   plain IPv6            hencaps1  H.Encaps, one segment     hencaps3  H.Encaps, three segments
            enddt6    End.DT6               end       End
            """)

    @Option(name: .customLong("case"), help: "forward, hencaps1, hencaps3, enddt6 or end.")
    var benchCase: PipelineBench.Case = .hencaps1

    @Option(help: "Different flows, 1 to 1000000.")
    var flows = 1000

    @Option(help: "Unrelated routes in the table, 0 to 1000000.")
    var routes = 0

    @Option(help: "Flows that are marked and counted: 0 to the number of flows.")
    var monitored = 0

    @Option(help: "Measure for this many seconds.")
    var seconds: Double?

    @Option(help: "Measure this many packets.")
    var packets: Int?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(flows) else {
            throw ValidationError("--flows: \(flows) is not from 1 to 1000000")
        }
        guard (0...1_000_000).contains(routes) else {
            throw ValidationError("--routes: \(routes) is not from 0 to 1000000")
        }
        guard (0...flows).contains(monitored) else {
            throw ValidationError("--monitored: \(monitored) is not from 0 to the \(flows) flows")
        }
        if seconds != nil && packets != nil { throw ValidationError("--seconds and --packets exclude each other") }
        if let seconds, !(seconds > 0 && seconds <= 3600) {
            throw ValidationError("--seconds: \(seconds) is not from 0 to 3600")
        }
        if let packets, packets < 1 { throw ValidationError("--packets: \(packets) is not 1 or more") }
    }

    func run() throws {
        let length: PipelineBench.Length = packets.map { .packets($0) } ?? .seconds(seconds ?? 2)
        let result = try PipelineBench(benchCase, flows: flows, routes: routes, monitored: monitored).run(length)
        if json {
            let object = JSON.object([
                "case": .text(result.name), "flows": JSON(result.flows), "routes": JSON(result.routes),
                "monitored": JSON(result.monitored), "packets": JSON(result.packets),
                "packets_per_second": JSON(Int(result.packetsPerSecond.rounded())),
                "ns_per_packet": .number((result.nanosecondsPerPacket * 100).rounded() / 100),
            ])
            printLine(try object.rendered(pretty: false))
        } else {
            let cost = (result.nanosecondsPerPacket * 10).rounded() / 10
            let rate = (result.packetsPerSecond / 1e4).rounded() / 100
            printLine(
                "\(result.name), \(result.flows) flows, \(result.routes) other routes, \(result.monitored) monitored: "
                    + "\(cost) ns per packet, \(rate) million packets per second (\(result.packets) packets)")
        }
    }
}

extension PipelineBench.Case: ExpressibleByArgument {}
