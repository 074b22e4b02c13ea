// SPDX-License-Identifier: Apache-2.0
import Lab
import SRv6
import Testing
import Wire

@Suite("Interoperability", .serialized, .needsRoot, .needsDaemon)
struct InteroperabilityTests {
    /// h1 to h3 and back by every policy and behavior of the chain and plainly, with the daemon on some of the routers
    /// and the kernel on the others: our headend before the kernel's End.DT6, End.DX4 and End.DX6, the kernel's
    /// headend before ours, our End and End.X between two kernels, and all three ours.
    @Test(
        "traffic passes, and our routers forward it themselves",
        arguments: [[.r1], [.r2], [.r3], [.r1, .r3], [.r1, .r2, .r3]] as [[Router]])
    func carries(ours: [Router]) throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            let daemons = try ours.map { try Daemon($0, of: chain, in: laboratory) }
            try chain.warmUp()
            let before = try daemons.map { try $0.settledTotals() }
            let pairs = chain.flows.map(\.pair) + chain.plain
            let reports = try exchange(pairs, on: chain, in: laboratory)
            for (pair, report) in reports {
                #expect(report.datagrams == 150 && report.lost == 0, "\(pair.label) \(pair.title): \(report)")
            }
            let datagrams = reports.reduce(0) { $0 + $1.report.datagrams }
            for (daemon, before) in zip(daemons, before) {
                let after = try daemon.settledTotals()
                // Two of its SIDs in a row: the one case here in which a router leaves the second look to the kernel.
                let twice = daemon.node == chain.r2 ? reports.filter { $0.pair.number == 5 } : []
                let left = twice.reduce(0) { $0 + $1.report.datagrams }
                let (transmitted, punted) = (after.transmitted - before.transmitted, after.punted - before.punted)
                #expect(transmitted >= datagrams - left, "\(daemon.node.node) left it to the kernel")
                #expect(punted < left + 100 && after.dropped == before.dropped, "punted \(punted)")
            }
        }
    }

    @Test("tshark and scapy find nothing wrong with what our headend and our endpoints emit")
    func emits() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            _ = try Daemon(.r1, of: chain, in: laboratory)
            try checkEmission(of: chain, in: laboratory)
        }
    }

    @Test("tshark and scapy find nothing wrong with what our End emits")
    func emitsTransit() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            _ = try Daemon(.r2, of: chain, in: laboratory)
            try chain.warmUp()
            let capture = try Capture(on: Port(chain.r3, "r3-r2"), in: laboratory)
            let pairs = chain.flows.filter(\.pair.isForward).map(\.pair)
            _ = try exchange(pairs, on: chain, in: laboratory)
            try capture.finish()
            #expect(try objectionsOfTshark(to: capture.path) == [])
            var counts: [Int: Int] = [:]
            for packet in try readWithScapy(capture.path) where packet.source == "fcff:1::1" {
                let inner = try #require(packet.inner)
                guard let flow = chain.flows.first(where: { "\($0.pair.destination)" == inner.destination }) else {
                    continue
                }
                let list = flow.policy.segments.segments.map(\.description)
                // Every SID of r2 is done with: the destination is the last one.
                #expect(packet.destination == list.last)
                // Less one at the headend, less one at r2, also when r2 has two SIDs in a row: the kernel's way.
                #expect(packet.hopLimit == inner.hopLimit - 2)
                #expect(packet.isWhole && inner.isWhole && inner.areChecksumsRight)
                #expect((packet.srh?.segmentsLeft ?? 0) == 0)
                if list.count > 1 {
                    let visible = flow.policy.mode.isReduced ? Array(list.dropFirst()) : list
                    #expect(packet.srh?.segments == visible.reversed())
                }
                counts[flow.pair.number, default: 0] += 1
            }
            for pair in pairs { #expect(counts[pair.number, default: 0] > 100, "\(pair.label)") }
        }
    }
}

/// Captures behind r1 what it sends into the core and to its host while all flows carry traffic, and lets tshark and
/// scapy read it.
func checkEmission(of chain: Chain, in laboratory: Laboratory) throws {
    try chain.warmUp()
    let core = try Capture(on: Port(chain.r2, "r2-r1"), in: laboratory)
    let customer = try Capture(on: Port(chain.h1, "h1-r1"), in: laboratory)
    _ = try exchange(chain.flows.map(\.pair) + chain.plain, on: chain, in: laboratory)
    try core.finish()
    try customer.finish()
    for path in [core.path, customer.path] { #expect(try objectionsOfTshark(to: path) == []) }
    let forward = chain.flows.filter(\.pair.isForward)
    let counts = try compare(try readWithScapy(core.path), with: forward, tunnelSource: "fcff:1::1")
    for flow in forward { #expect(counts[flow.pair.number, default: 0] > 100, "\(flow.pair.label)") }
    // Behind the decapsulation there is no tunnel left.
    #expect(try readWithScapy(customer.path).isEmpty)
}
