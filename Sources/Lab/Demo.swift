// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6

/// The demonstration: real traffic through two of the project's routers and a lossy one between them, and every lost
/// packet named.
public struct Demo: Sendable {
    public struct Options: Sendable {
        /// Color blocks of one second to compare.
        public var blocks = 20
        /// Chance of a packet to begin a loss.
        public var loss = 0.02
        /// Threads of each daemon, and queues of each device.
        public var workers = 2
        /// Leaves forwarding to the kernel on the edges too: proves the network without the daemon.
        public var isKernelOnly = false

        public init() {}
    }

    let options: Options
    let laboratory: Laboratory
    let progress = Progress()

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
        print(
            """
            Two hosts, three routers, each in a network namespace of its own:

                h1 ──── r1 ════════ r2 ════════ r3 ──── h3
                     \(options.isKernelOnly ? "kernel " : "srv6pmd")   the kernel,  \(options.isKernelOnly ? "kernel " : "srv6pmd")
                               losing packets

            The edges r1 and r3 put every packet onto an SR policy, color it by the second, and count it.
            r2 forwards with the kernel's SRv6 and loses packets at random, at its entrance, knowing how many.

            """)
        progress.step("Making namespaces, links, addresses, routes")
        let chain = try Chain(in: laboratory, queues: options.workers)
        progress.step("Making r2 lossy (\(percent(options.loss)) per packet, in bursts on flow 4)")
        let impairment = try Impairment(on: ["r2-r1", "r2-r3"], in: chain.r2)
        for flow in chain.flows {
            let loss =
                flow.number == 4
                ? Impairment.Loss(probability: options.loss / 4, burst: 4) : Impairment.Loss(probability: options.loss)
            try impairment.add(flow.key, loss: loss)
        }
        return options.isKernelOnly ? try runKernel(chain, impairment) : try runDaemons(chain, impairment)
    }

    // MARK: With the daemons

    private func runDaemons(_ chain: Chain, _ impairment: Impairment) throws(LabError) -> Bool {
        progress.step("Starting srv6pmd on r1 and r3 (AF_XDP, \(options.workers) workers each)")
        let daemons = try [chain.r1, chain.r3].map { node throws(LabError) in
            try Daemon(on: node, in: laboratory) { socket in
                chain.daemonConfiguration(of: node, socket: socket, workers: options.workers)
            }
        }
        progress.step("Pinging along all \(chain.flows.count) flows")
        try chain.warmUp()
        let truth = TruthReader(impairment, keys: chain.flows.map(\.key))
        defer { truth.stop() }
        progress.step("Starting iperf3 on \(chain.flows.count) flows, \(options.blocks) blocks of 1 s follow")
        let streams = try startTraffic(chain, impairment)

        printFlows(chain)
        var ledger = Ledger(chain, truth: truth)
        // The block in which the traffic began is left out, as is the one before the first comparable reading.
        let first = Int(wallClock()) + 2
        let blocks = first..<first + options.blocks
        print("Live, all flows together:\n")
        print(Table.head(["block", "color", "sent", "received", "measured lost", "known lost", ""]))
        var complete = 0
        for block in blocks {
            sleep(untilWallClock: Double(block) + 1.6)
            let rows = try collect(block, from: daemons, into: &ledger)
            complete += rows.count
            printLive(block, rows, flowCount: chain.flows.count)
            for stream in streams where try !stream.isRunning && block < blocks.upperBound - 1 {
                throw .command("iperf3 along \(stream.flow.policy)", status: 0, output: "ended too early")
            }
        }
        try impairment.setLosing(false)
        progress.step("Waiting for iperf3 to end")
        let reports = try streams.map { stream throws(LabError) in try stream.finish(upTo: .seconds(20)) }
        return try judge(chain, ledger, blocks, streams: streams, reports: reports, daemons: daemons)
    }

    /// Asks both edges until they have closed a block, for at most the time that is left of it.
    private func collect(_ block: Int, from daemons: [Daemon], into ledger: inout Ledger) throws(LabError) -> [BlockRow]
    {
        var rows: [BlockRow] = []
        let end = Double(block) + 2.9
        repeat {
            for daemon in daemons { try ledger.read(daemon) }
            rows = []
            for flow in ledger.chain.flows { if let row = try ledger.row(flow, block) { rows.append(row) } }
            if rows.count == ledger.chain.flows.count { break }
            sleep(untilWallClock: wallClock() + 0.1)
        } while wallClock() < end
        return rows
    }

    private func judge(
        _ chain: Chain, _ ledger: Ledger, _ blocks: Range<Int>, streams: [Stream], reports: [Stream.Report?],
        daemons: [Daemon]
    ) throws(LabError) -> Bool {
        var all: [(flow: Chain.Flow, row: BlockRow)] = []
        for flow in chain.flows {
            print("\nFlow \(flow.label): \(flow.title), \(flow.policy.mode.rawValue) \(flow.policy.segments)\n")
            print(Table.head(["block", "color", "sent", "received", "measured lost", "known lost", ""]))
            for block in blocks {
                if let row = try ledger.row(flow, block) {
                    all.append((flow, row))
                    print(Table.row(row.cells))
                } else {
                    print(Table.row(["\(block)", colorName(block), "-", "-", "-", "-", "incomplete"]))
                }
            }
        }
        print("\nSummary\n")
        print(Table.head(["flow", "blocks", "sent", "received", "measured lost", "known lost", "loss"]))
        for flow in chain.flows {
            let rows = all.filter { $0.flow == flow }.map(\.row)
            let sent = rows.reduce(0) { $0 + Int($1.sent.packets) }
            let lost = rows.reduce(0) { $0 + $1.measuredLoss }
            print(
                Table.row([
                    flow.label, "\(rows.count)", "\(sent)", "\(sent - lost)", "\(lost)",
                    "\(rows.reduce(0) { $0 + $1.knownLoss })", percent(Double(lost) / Double(max(sent, 1))),
                ]))
        }
        printReports(streams, reports)
        let differing = all.filter { !$0.row.isExact }
        let lost = all.reduce(0) { $0 + $1.row.knownLoss }
        let expected = blocks.count * chain.flows.count
        let silent = chain.flows.filter { flow in !all.contains { $0.flow == flow && $0.row.sent.packets > 0 } }
        if differing.isEmpty && lost > 0 && all.count * 4 >= expected * 3 && silent.isEmpty {
            print(
                """

                EXACT: in \(all.count) of \(all.count) color blocks the edges miss exactly the packets that r2 lost, \
                \(lost) in all\(all.count == expected ? "" : " (\(expected - all.count) blocks incomplete, left out)").
                """)
            return true
        }
        print("\nNOT EXACT:")
        if lost == 0 { print("  r2 has lost no packet, so nothing was proved.") }
        for flow in silent { print("  flow \(flow.label) counted no packet at all.") }
        if all.count * 4 < expected * 3 { print("  only \(all.count) of \(expected) blocks were complete.") }
        try diagnose(chain, differing, daemons)
        return false
    }

    /// Says where packets can have gone that nobody counted as lost.
    private func diagnose(
        _ chain: Chain, _ differing: [(flow: Chain.Flow, row: BlockRow)], _ daemons: [Daemon]
    ) throws(LabError) {
        for (flow, row) in differing {
            let before = Int(row.sent.packets) - Int(row.seen.packets)
            let behind = Int(row.seen.packets) - row.knownLoss - Int(row.received.packets)
            print(
                "  flow \(flow.label), block \(row.block) \(colorName(row.block)): "
                    + "\(row.measuredLoss) measured, \(row.knownLoss) known; "
                    + "missing between the sending edge and r2: \(before), between r2 and the receiving edge: \(behind)"
                    + (before == 0 && behind == 0 ? " (the packets agree, the octets do not)" : ""))
        }
        print("\nWhat the devices dropped by themselves (a full queue here is loss that r2's program did not cause):")
        for (node, devices) in [
            (chain.r1, ["r1-h1", "r1-r2"]), (chain.r2, ["r2-r1", "r2-r3"]), (chain.r3, ["r3-r2", "r3-h3"]),
        ] {
            for device in devices {
                let received = try node.statistic("rx_dropped", of: device)
                let transmitted = try node.statistic("tx_dropped", of: device)
                print("  \(device): \(received) on receive, \(transmitted) on transmit")
            }
        }
        for daemon in daemons {
            for what in ["ports", "drops", "workers"] {
                print("\nsrv6pm show \(what), on \(daemon.node.node):\n\(try daemon.show(what).trimmed)")
            }
            print("\nThe end of the daemon's log, on \(daemon.node.node):")
            print(daemon.process.output.split(separator: "\n").suffix(20).joined(separator: "\n"))
        }
    }

    // MARK: Without

    /// The same network, traffic and losses with nothing but the kernel: what iperf3 misses is what r2 took.
    private func runKernel(_ chain: Chain, _ impairment: Impairment) throws(LabError) -> Bool {
        progress.step("Pinging along all \(chain.flows.count) flows")
        try chain.warmUp()
        progress.step("Starting iperf3 on \(chain.flows.count) flows for \(options.blocks) s")
        let streams = try startTraffic(chain, impairment)
        printFlows(chain)
        for stream in streams {
            let host = "\(stream.flow.from)>\(stream.flow.to)"
            progress.step("Waiting for iperf3 \(host) \(stream.flow.number)")
            let report = try stream.finish(upTo: .seconds(options.blocks + 20))
            let counts = try impairment.counts(of: stream.flow.key)
            print(
                "  r2 saw \(counts.seen.uncolored.packets) and lost \(counts.dropped.uncolored.packets) packets"
                    + (report.map { "; iperf3: \($0.datagrams) datagrams, \($0.lost) lost" } ?? ""))
            guard counts.seen.uncolored.packets > 0, counts.dropped.uncolored.packets > 0 else { return false }
        }
        return true
    }

    // MARK: Both

    /// Starts a stream along every flow; once all of them flow, r2 begins to lose. iperf3 could not begin otherwise:
    /// its first UDP datagram must arrive.
    private func startTraffic(_ chain: Chain, _ impairment: Impairment) throws(LabError) -> [Stream] {
        let streams = try chain.flows.map { flow throws(LabError) in
            let load =
                flow.isTCP
                ? Load(bitsPerSecond: 8_000_000, length: 8000)
                : Load(bitsPerSecond: 3_000_000, length: 500 + 100 * flow.number, burst: flow.number == 4 ? 20 : 1)
            return try Stream(flow, load, seconds: options.blocks + 4, on: chain, in: laboratory)
        }
        for stream in streams {
            let before = try impairment.counts(of: stream.flow.key).seenPackets
            try wait(for: "traffic on flow \(stream.flow.label)") { () throws(LabError) in
                _ = try stream.isRunning
                return try impairment.counts(of: stream.flow.key).seenPackets > before + 100
            }
        }
        try impairment.setLosing(true)
        return streams
    }

    private func printFlows(_ chain: Chain) {
        print("\nFlows:\n")
        for flow in chain.flows {
            print("  \(flow.label)  \(pad(flow.title, 17))\(pad(flow.policy.mode.rawValue, 11))\(flow.policy.segments)")
        }
        print("")
    }

    private func printReports(_ streams: [Stream], _ reports: [Stream.Report?]) {
        print("\niperf3's own count, over the whole run (the blocks before the first and behind the last included):\n")
        for (stream, report) in zip(streams, reports) {
            let words = report.map { report in
                stream.flow.isTCP
                    ? "\(report.octets) octets delivered, what was lost sent again"
                    : "\(report.datagrams) datagrams sent, \(report.lost) lost"
            }
            print("  \(stream.flow.label)  \(words ?? "no report came through")")
        }
    }

    private func printLive(_ block: Int, _ rows: [BlockRow], flowCount: Int) {
        let sum = rows.reduce(BlockRow(block: block, sent: .init(), received: .init(), seen: .init(), dropped: .init()))
        {
            BlockRow(
                block: block, sent: $0.sent + $1.sent, received: $0.received + $1.received, seen: $0.seen + $1.seen,
                dropped: $0.dropped + $1.dropped)
        }
        var cells = sum.cells
        let exact = rows.count { $0.isExact }
        cells[6] = "\(exact) of \(flowCount) flows exact"
        print(Table.row(cells))
        fflush(nil)
    }
}

extension Chain.Flow {
    /// `h1>h3 1`
    var label: String { "\(from)>\(to) \(number)" }
}

extension Impairment.Counts {
    fileprivate var seenPackets: UInt64 { seen.a.packets + seen.b.packets + seen.uncolored.packets }
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
        let line = row(names)
        return line + "\n  " + String(repeating: "─", count: max(0, line.count - 2))
    }
}
