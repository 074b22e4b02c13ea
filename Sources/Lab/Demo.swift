// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6

/// The demonstration: real traffic through two of the project's routers and a lossy one between them, and every lost
/// packet named.
public struct Demo: Sendable {
    public struct Options: Sendable {
        /// Color blocks of one second to compare.
        public var blocks = 20
        /// Chance of a packet to be lost.
        public var loss = 0.02
        /// Threads of each daemon, and queues of each device.
        public var workers = 2
        /// Leaves forwarding to the kernel on the edges too: proves the network without the daemon.
        public var isKernelOnly = false

        public init() {}
    }

    private let options: Options
    private let laboratory: Laboratory
    private let progress = Progress()

    public init(_ options: Options) throws(LabError) {
        self.options = options
        laboratory = try Laboratory()
    }

    /// Runs everything and takes it down again. *Returns*: whether every comparison held.
    public func run() throws(LabError) -> Bool {
        defer {
            progress.step("Taking everything down")
            laboratory.close()
        }
        let edge = options.isKernelOnly ? "kernel " : "srv6pmd"
        print(
            """
            Two hosts and three routers, each in a network namespace of its own:

                h1 ──── r1 ════════ r2 ════════ r3 ──── h3
                     \(edge)     kernel,    \(edge)
                                 lossy

            The edges r1 and r3 put every packet onto an SR policy, color it by the second, and count it.
            r2 forwards with the kernel's SRv6. At its entrance a BPF program loses \(percent(options.loss)) of the \
            packets
            and remembers how many of which flow and color.

            """)
        return options.isKernelOnly ? try runKernel() : try runDaemons()
    }

    /// Flow 4 loses four packets in a row, a quarter as often.
    private func loss(of flow: Chain.Flow) -> Impairment.Loss {
        flow.pair.number == 4
            ? Impairment.Loss(probability: options.loss / 4, burst: 4) : Impairment.Loss(probability: options.loss)
    }

    // MARK: With the daemons

    private func runDaemons() throws(LabError) -> Bool {
        var experiment = try LossExperiment(
            in: laboratory, workers: options.workers, blockCount: options.blocks, loss: loss(of:),
            report: progress.step)
        printFlows(experiment.chain)
        print("Live, all flows together, one color block a second:\n")
        print(Table.head(["block", "color", "sent", "received", "measured lost", "known lost", ""]))
        for block in experiment.blocks {
            printLive(block, try experiment.close(block), flowCount: experiment.chain.flows.count)
        }
        print("")
        progress.step("Waiting for iperf3 to end")
        let reports = try experiment.finish()
        let verdict = Verdict(try collect(experiment), of: experiment)
        try printBlocks(experiment)
        printSummary(verdict, experiment)
        printReports(experiment, reports)
        print(verdict.text)
        if !verdict.holds { try diagnose(verdict.differing, experiment) }
        return verdict.holds
    }

    private func collect(_ experiment: LossExperiment) throws(LabError) -> [FlowBlock] {
        var all: [FlowBlock] = []
        for flow in experiment.chain.flows {
            for block in experiment.blocks {
                if let row = try experiment.row(flow, block) { all.append(FlowBlock(flow: flow, row: row)) }
            }
        }
        return all
    }

    private func printLive(_ block: Int, _ rows: [BlockRow], flowCount: Int) {
        var sum = BlockRow(block: block, sent: .init(), received: .init(), seen: .init(), dropped: .init())
        for row in rows {
            sum.sent = sum.sent + row.sent
            sum.received = sum.received + row.received
            sum.dropped = sum.dropped + row.dropped
        }
        var cells = sum.cells
        cells[6] = "\(rows.count { $0.isExact }) of \(flowCount) flows exact"
        print(Table.row(cells))
        fflush(nil)
    }

    private func printBlocks(_ experiment: LossExperiment) throws(LabError) {
        for flow in experiment.chain.flows {
            print(
                "\nFlow \(flow.pair.label): \(flow.pair.title), \(flow.policy.mode.rawValue) \(flow.policy.segments)\n")
            print(Table.head(["block", "color", "sent", "received", "measured lost", "known lost", ""]))
            for block in experiment.blocks {
                let cells = try experiment.row(flow, block)?.cells
                print(Table.row(cells ?? ["\(block)", colorName(block), "-", "-", "-", "-", "incomplete"]))
            }
        }
    }

    private func printSummary(_ verdict: Verdict, _ experiment: LossExperiment) {
        print("\nSummary, all blocks of a flow together:\n")
        print(Table.head(["flow", "blocks", "sent", "received", "measured lost", "known lost", "loss"]))
        for flow in experiment.chain.flows {
            let rows = verdict.all.filter { $0.flow == flow }.map(\.row)
            let sent = rows.reduce(0) { $0 + Int($1.sent.packets) }
            let lost = rows.reduce(0) { $0 + $1.measuredLoss }
            let known = rows.reduce(0) { $0 + $1.knownLoss }
            print(
                Table.row([
                    flow.pair.label, "\(rows.count)", "\(sent)", "\(sent - lost)", "\(lost)", "\(known)",
                    percent(Double(lost) / Double(max(sent, 1))),
                ]))
        }
    }

    private func printReports(_ experiment: LossExperiment, _ reports: [Stream.Report?]) {
        print(
            """

            iperf3's own count over its whole run, which is a few seconds longer. A receiver that the machine lets wait may
            lose some itself, in its socket.

            """)
        for (stream, report) in zip(experiment.streams, reports) {
            let words = report.map { report in
                stream.pair.isTCP
                    ? "\(report.octets) octets delivered, what was lost sent again"
                    : "\(report.datagrams) datagrams sent, \(report.lost) lost"
            }
            print("  \(stream.pair.label)  \(words ?? "its report did not come through")")
        }
    }

    /// Says where packets can have gone that nobody counted as lost.
    private func diagnose(_ differing: [FlowBlock], _ experiment: LossExperiment) throws(LabError) {
        for each in differing {
            let row = each.row
            let before = Int(row.sent.packets) - Int(row.seen.packets)
            let behind = Int(row.seen.packets) - row.knownLoss - Int(row.received.packets)
            print(
                "  flow \(each.flow.pair.label), block \(row.block) \(colorName(row.block)): "
                    + "\(row.measuredLoss) measured, \(row.knownLoss) known; missing between the sending edge and "
                    + "r2's program: \(before), behind it: \(behind)"
                    + (before == 0 && behind == 0 ? " (the packets agree, the octets do not)" : ""))
        }
        print(
            "\nWhat the devices dropped by themselves (here, a full queue would be loss beside that of r2's program):\n"
        )
        let chain = experiment.chain
        for (node, devices) in [
            (chain.r1, ["r1-h1", "r1-r2"]), (chain.r2, ["r2-r1", "r2-r3"]), (chain.r3, ["r3-r2", "r3-h3"]),
        ] {
            for device in devices {
                let received = try node.statistic("rx_dropped", of: device)
                let transmitted = try node.statistic("tx_dropped", of: device)
                print("  \(device): \(received) on receive, \(transmitted) on transmit")
            }
        }
        for daemon in experiment.daemons {
            for what in ["ports", "workers", "drops"] {
                print("\nsrv6pm show \(what), on \(daemon.node.node):\n\n\(try daemon.show(what).trimmed)")
            }
            print("\nThe end of the daemon's log, on \(daemon.node.node):\n")
            print(daemon.process.output.split(separator: "\n").suffix(20).joined(separator: "\n"))
        }
    }

    // MARK: Without

    /// The same network, traffic and losses with nothing but the kernel: what iperf3 misses is what r2 took.
    private func runKernel() throws(LabError) -> Bool {
        progress.step("Making namespaces, links, addresses, routes")
        let chain = try Chain(.measurement, in: laboratory, queues: options.workers)
        let impairment = try Impairment(on: ["r2-r1", "r2-r3"], in: chain.r2)
        for flow in chain.flows { try impairment.add(flow.key, loss: loss(of: flow)) }
        progress.step("Pinging along all paths")
        try chain.warmUp()
        progress.step("Starting iperf3 on \(chain.flows.count) flows for \(options.blocks) s")
        let streams = try startStreams(on: chain, seconds: options.blocks, through: impairment, in: laboratory)
        printFlows(chain)
        for (flow, stream) in zip(chain.flows, streams) {
            progress.step("Waiting for iperf3 \(flow.pair.label)")
            let report = try stream.finish(upTo: .seconds(options.blocks + 20))
            let counts = try impairment.counts(of: flow.key)
            let lost = counts.dropped.uncolored.packets
            print(
                "          r2 saw \(counts.seen.uncolored.packets) packets and lost \(lost)"
                    + (report.map { flow.pair.isTCP ? "" : "; iperf3: \($0.datagrams) datagrams, \($0.lost) lost" }
                        ?? ""))
            guard lost > 0 else { return false }
        }
        return true
    }

    private func printFlows(_ chain: Chain) {
        print("\nFlows:\n")
        for flow in chain.flows {
            let title = pad(flow.pair.title, 18) + pad(flow.policy.mode.rawValue, 11)
            print("  \(flow.pair.label)  \(title)\(flow.policy.segments)")
        }
        print("")
    }
}

/// One flow in one color block.
private struct FlowBlock {
    var flow: Chain.Flow
    var row: BlockRow
}

/// What came out.
private struct Verdict {
    let all: [FlowBlock]
    let differing: [FlowBlock]
    let holds: Bool
    let text: String

    init(_ all: [FlowBlock], of experiment: LossExperiment) {
        self.all = all
        differing = all.filter { !$0.row.isExact }
        let expected = experiment.blocks.count * experiment.chain.flows.count
        let lost = all.reduce(0) { $0 + $1.row.knownLoss }
        var doubts: [String] = []
        if !differing.isEmpty { doubts.append("\(differing.count) of \(all.count) color blocks differ.") }
        if lost == 0 { doubts.append("r2 has lost no packet, so nothing was proved.") }
        if all.count * 4 < expected * 3 { doubts.append("only \(all.count) of \(expected) color blocks are complete.") }
        for flow in experiment.chain.flows where !all.contains(where: { $0.flow == flow && $0.row.sent.packets > 0 }) {
            doubts.append("flow \(flow.pair.label) has counted no packet.")
        }
        holds = doubts.isEmpty
        let incomplete = all.count == expected ? "" : " (\(expected - all.count) incomplete ones left out)"
        text =
            holds
            ? "\nEXACT: in all \(all.count) color blocks\(incomplete) the edges miss exactly the packets that r2 lost, "
                + "\(lost) together.\n"
            : "\nNOT EXACT:\n" + doubts.map { "  \($0)" }.joined(separator: "\n")
    }
}

extension BlockRow {
    fileprivate var cells: [String] {
        [
            "\(block)", colorName(block), "\(sent.packets)", "\(received.packets)", "\(measuredLoss)", "\(knownLoss)",
            isExact ? "exact" : "DIFFERS",
        ]
    }
}

private func colorName(_ block: Int) -> String { block & 1 == 0 ? "A" : "B" }

private func percent(_ ratio: Double) -> String {
    let hundredths = Int((ratio * 10_000).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) %"
}

/// `text` with spaces up to `width`.
private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

/// Lines of a table: the first column to the left, the rest to the right, words at the end.
private enum Table {
    static let widths = [12, 6, 9, 10, 14, 11]

    static func row(_ cells: [String]) -> String {
        var line = "  " + pad(cells[0], widths[0])
        for (cell, width) in zip(cells, widths).dropFirst() {
            line += String(repeating: " ", count: max(1, width - cell.count)) + cell
        }
        if cells.count > widths.count { line += "  " + cells[widths.count] }
        return line
    }

    static func head(_ names: [String]) -> String {
        row(names) + "\n  " + String(repeating: "─", count: widths.reduce(0, +) + 12)
    }
}
