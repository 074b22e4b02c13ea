// SPDX-License-Identifier: Apache-2.0
import Agent
import ArgumentParser
import Dataplane
import Foundation
import Netlink
import SRv6
import Wire

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send the packets of a capture through the engine and write what it would have sent.",
        discussion: """
            Runs the packet path of the daemon between memory and files; no port is opened and nothing is sent. The \
            ports, marks and flows come from --config, the routes, neighbors and SIDs from --network, a file with one \
            fact a line in the words of iproute2, or from this machine's kernel when it is not given. For example:

            link p0 mac 02:00:00:00:01:01
            neighbor fcf0::2 lladdr 02:00:00:00:02:02 dev p1
            route fd00:8::/64 encap seg6 mode encap segs fcff:2::1,fcff:8::100 dev p1
            tunsrc fcff:1::1
            """)

    @Argument(help: "Capture to read: pcap with Ethernet frames.")
    var input: String

    @Option(name: .long, help: ArgumentHelp("Configuration file of the daemon.", valueName: "file"))
    var config: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Capture to write.", valueName: "file"))
    var write: String

    @Option(name: .long, help: ArgumentHelp("Network state, instead of this machine's.", valueName: "file"))
    var network: String?

    @Option(
        name: .long, help: ArgumentHelp("Port that the packets arrive on; the first one by default.", valueName: "name")
    )
    var port: String?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        do {
            try replay()
        } catch let error as ConfigurationErrors {
            try fail(error.list.map { "\(config): \($0)" }.joined(separator: "\n"), code: 1)
        } catch let error as ConfigurationError {
            try fail("\(network ?? config): \(error)", code: 1)
        } catch let error as WireError {
            try fail("\(input): \(error)", code: 1)
        } catch let error as CocoaError {
            try fail(
                "cannot read or write \(error.filePath ?? "a file"): \(error.code == .fileReadNoSuchFile ? "it does not exist" : error.localizedDescription)",
                code: 1)
        }
    }

    private func replay() throws {
        let configuration = try AgentConfiguration(yaml: String(contentsOfFile: config, encoding: .utf8))
        let names = configuration.dataplane.ports.map(\.name)
        guard let arrival = port.map({ names.firstIndex(of: $0) }) ?? 0 else {
            throw ValidationError("--port: \(port ?? "") is not one of \(names.joined(separator: ", "))")
        }
        let capture = try unsafe Pcap(Array(Data(contentsOf: URL(fileURLWithPath: input))).span.bytes)
        let dataplane = try Dataplane(configuration.dataplane, report: { _ in })
        if let network {
            dataplane.apply(try NetworkScript(String(contentsOfFile: network, encoding: .utf8)).changes)
        } else {
            let mirror = try NetworkMirror()
            try mirror.start { dataplane.apply($0) }
            mirror.stop()
        }
        for flow in configuration.flows { try dataplane.addFlow(flow) }
        let driver = try dataplane.startInMemory()
        var output = Pcap()
        var tooLarge = 0
        for packet in capture.packets {
            guard let outcome = driver.process(packet.octets, port: arrival) else {
                tooLarge += 1
                continue
            }
            if case .transmitted(_, let octets) = outcome {
                output.packets.append(Pcap.Packet(timestamp: packet.timestamp, octets: octets))
            }
        }
        try Data(output.emit()).write(to: URL(fileURLWithPath: write))
        printLine(try summary(dataplane, names: names, tooLarge: tooLarge))
        dataplane.stop()
    }

    private func summary(_ dataplane: Dataplane, names: [String], tooLarge: Int) throws -> String {
        let worker = dataplane.workers()[0]
        let drops = dataplane.drops().filter { $0.packets > 0 }
        if json {
            return try JSON.object([
                "received": .count(worker.received), "transmitted": .count(worker.transmitted),
                "punted": .count(worker.punted), "dropped": .count(worker.dropped), "too_large": JSON(tooLarge),
                "ports": .object(
                    Dictionary(uniqueKeysWithValues: dataplane.ports().map { ($0.name, JSON($0.transmitted)) })),
                "drops": .object(Dictionary(uniqueKeysWithValues: drops.map { ($0.reason.name, .count($0.packets)) })),
            ]).rendered(pretty: true)
        }
        var lines = [
            "\(worker.received) packets: \(worker.transmitted) sent, \(worker.punted) for the kernel, \(worker.dropped) dropped"
        ]
        lines += dataplane.ports().filter { $0.transmitted.packets > 0 }.map {
            "  \($0.name): \($0.transmitted.packets) sent"
        }
        lines += drops.map { "  \($0.reason.name): \($0.packets) dropped" }
        if tooLarge > 0 { lines.append("  \(tooLarge) more are larger than a frame and were left out") }
        return lines.joined(separator: "\n")
    }
}
