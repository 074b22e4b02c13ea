// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import SRv6
import Testing
import Wire

extension Trait where Self == ConditionTrait {
    static var needsRoot: Self { .enabled(if: geteuid() == 0, "network namespaces need root") }

    static var needsBPF: Self { .enabled(if: (try? bpfObject("impair")) != nil, "tools/build has not been run") }

    static var needsDaemon: Self {
        .enabled(
            if: (try? program("srv6pmd")) != nil && (try? program("srv6pm")) != nil, "tools/build has not been run")
    }
}

/// Lends a laboratory, and takes it down whatever happens.
func inLaboratory(_ body: (Laboratory) throws -> Void) throws {
    let laboratory = try Laboratory()
    defer { laboratory.close() }
    try body(laboratory)
}

/// A router of a chain.
enum Router: String, CaseIterable, CustomTestStringConvertible {
    case r1, r2, r3

    func node(of chain: Chain) -> Namespace {
        switch self {
        case .r1: chain.r1
        case .r2: chain.r2
        case .r3: chain.r3
        }
    }

    var testDescription: String { rawValue }
}

extension Daemon {
    /// Starts the daemon on a router of a chain.
    init(_ router: Router, of chain: Chain, in laboratory: Laboratory, workers: Int = 1, isMonitoring: Bool = false)
        throws
    {
        let node = router.node(of: chain)
        try self.init(on: node, in: laboratory) { socket in
            chain.daemonConfiguration(of: node, socket: socket, workers: workers, isMonitoring: isMonitoring)
        }
    }

    /// Waits until the workers rest, and gives their totals.
    func settledTotals() throws -> PacketTotals {
        var last = try totals()
        try wait(for: "the workers of \(node.node) to rest in balance", upTo: .seconds(5), every: .milliseconds(100)) {
            () throws(LabError) in
            let now = try totals()
            defer { last = now }
            return now == last && now.isBalanced
        }
        return last
    }
}

/// Drives `count` datagrams along each of some pairs, at a modest pace. *Returns*: what iperf3 counted of each.
func exchange(
    _ pairs: [Chain.Pair], count: Int = 150, on chain: Chain, in laboratory: Laboratory
) throws -> [(pair: Chain.Pair, report: Lab.Stream.Report)] {
    let loads = pairs.map { (pair: $0, load: Load(bitsPerSecond: 600_000, length: 500)) }
    let streams = try Lab.Stream.start(loads, .packets(count), on: chain, in: laboratory)
    return try streams.map { stream in
        let report = try stream.finish(upTo: .seconds(30))
        return (stream.pair, try #require(report, "no report of iperf3 from \(stream.pair.label)"))
    }
}

/// SplitMix64: the same numbers from the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
