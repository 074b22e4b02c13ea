// SPDX-License-Identifier: Apache-2.0
import SRv6

/// Traffic through two edges that run the daemon and a router between them that loses packets and knows which:
/// measured and known loss of every flow, color block by color block.
public struct LossExperiment: Sendable {
    public let chain: Chain
    public let daemons: [Daemon]
    public let streams: [Stream]
    /// The color blocks to compare: from the first in which traffic and losses are in full swing.
    public let blocks: Range<Int>
    private let impairment: Impairment
    private let truth: TruthReader
    private var ledger: Ledger

    /// Makes the network, starts the daemons and the traffic, and lets the losses begin.
    ///
    /// - Parameters:
    ///   - workers: threads of each daemon and queues of each device.
    ///   - report: told of every phase as it begins.
    public init(
        in laboratory: Laboratory, workers: Int, blockCount: Int, loss: (Chain.Flow) -> Impairment.Loss,
        report: (String) -> Void = { _ in }
    ) throws(LabError) {
        report("Making namespaces, links, addresses, routes")
        let chain = try Chain(.measurement, in: laboratory, queues: workers)
        let impairment = try Impairment(on: ["r2-r1", "r2-r3"], in: chain.r2)
        for flow in chain.flows { try impairment.add(flow.key, loss: loss(flow)) }
        report("Starting srv6pmd on r1 and r3 (AF_XDP, \(workers) workers each)")
        var daemons: [Daemon] = []
        for node in [chain.r1, chain.r3] {
            daemons.append(
                try Daemon(on: node, in: laboratory) { socket in
                    chain.daemonConfiguration(of: node, socket: socket, workers: workers)
                })
        }
        let started = Int(wallClock() / blockPeriod)
        report("Pinging along all paths")
        try chain.warmUp()
        report("Starting iperf3 on \(chain.flows.count) flows")
        truth = TruthReader(impairment, keys: chain.flows.map(\.key))
        streams = try startStreams(on: chain, seconds: blockCount + 10, through: impairment, in: laboratory)
        // A block is complete when both colors were read before it, which takes three from the start of the daemons.
        let first = max(Int(wallClock() / blockPeriod) + 1, started + 3)
        blocks = first..<first + blockCount
        ledger = Ledger(chain, truth: truth)
        self.chain = chain
        self.daemons = daemons
        self.impairment = impairment
    }

    /// Waits until both edges and the dropper have closed a block, at most until the one behind the next ends.
    ///
    /// *Returns*: what there is of the block.
    public mutating func close(_ block: Int) throws(LabError) -> [BlockRow] {
        sleep(untilWallClock: (Double(block) + 1.6) * blockPeriod)
        let end = (Double(block) + 3) * blockPeriod
        while true {
            for daemon in daemons { try ledger.read(daemon) }
            var rows: [BlockRow] = []
            for flow in chain.flows { if let row = try ledger.row(flow, block) { rows.append(row) } }
            if rows.count == chain.flows.count || wallClock() >= end { return rows }
            sleep(untilWallClock: wallClock() + 0.1)
        }
    }

    /// Ends the losses and waits for iperf3, whose last words would get lost otherwise.
    public func finish() throws(LabError) -> [Stream.Report?] {
        try impairment.setLosing(false)
        truth.stop()
        var reports: [Stream.Report?] = []
        for stream in streams { reports.append(try stream.finish(upTo: .seconds(20))) }
        return reports
    }

    /// A flow in a block, nil when it is incomplete.
    public func row(_ flow: Chain.Flow, _ block: Int) throws(LabError) -> BlockRow? { try ledger.row(flow, block) }
}

/// Starts a stream along every flow of a chain. Once all of them flow, the losses begin: iperf3 could not begin
/// otherwise, because its first UDP datagram must arrive.
func startStreams(
    on chain: Chain, seconds: Int, through impairment: Impairment, in laboratory: Laboratory
) throws(LabError) -> [Stream] {
    let loads = chain.flows.map { flow in
        let load =
            flow.pair.isTCP
            ? Load(bitsPerSecond: 8_000_000, length: 8000)
            : Load(
                bitsPerSecond: 3_000_000, length: 500 + 100 * flow.pair.number, burst: flow.pair.number == 4 ? 20 : 1)
        return (pair: flow.pair, load: load)
    }
    let streams = try Stream.start(loads, .seconds(seconds), on: chain, in: laboratory)
    for (flow, stream) in zip(chain.flows, streams) {
        let before = try impairment.counts(of: flow.key).seenPackets
        try wait(for: "traffic from \(flow.pair.label)") { () throws(LabError) in
            guard try stream.isRunning else { throw .timeout("iperf3 \(flow.pair.label) to last; it ended at once") }
            return try impairment.counts(of: flow.key).seenPackets > before + 100
        }
    }
    try impairment.setLosing(true)
    return streams
}

extension Impairment.Counts {
    var seenPackets: UInt64 { seen.a.packets + seen.b.packets + seen.uncolored.packets }
}
