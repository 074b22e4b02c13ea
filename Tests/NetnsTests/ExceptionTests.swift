// SPDX-License-Identifier: Apache-2.0
import Lab
import SRv6
import Testing
import Wire

/// What the fast path leaves to the kernel is done by the kernel, as if there were no fast path.
@Suite("Exceptions", .serialized, .needsRoot)
struct ExceptionTests {
    /// Everything is also tried with no daemon at all: the expectations are the kernel's behavior.
    static let cases: [[Router]] = (try? program("srv6pmd")) == nil ? [[]] : [[], [.r1], [.r1, .r2, .r3]]

    private func withChain(
        _ ours: [Router], coreMTU: Int = 1500, _ body: (Chain) throws -> Void
    ) throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            if coreMTU != 1500 {
                try chain.r1.ip("link set r1-r2 mtu \(coreMTU)")
                try chain.r2.ip("link set r2-r1 mtu \(coreMTU)")
            }
            for router in ours { _ = try Daemon(router, of: chain, in: laboratory) }
            try body(chain)
        }
    }

    @Test("an expired hop limit is answered", arguments: cases)
    func hopLimit(ours: [Router]) throws {
        try withChain(ours) { chain in
            try chain.warmUp()
            // Not IPv6 into a policy: the kernel encapsulates it as it is, finds the outer hop limit expired, and tells
            // the outer source, which is the router itself.
            let toPolicy4 = chain.flows.map(\.pair).filter { if case .v4 = $0.destination { true } else { false } }
            for pair in (chain.plain + toPolicy4).filter(\.isForward) {
                let output = try chain.h1.run([
                    "ping", "-n", "-c", "1", "-W", "2", "-t", "1", "-I", "\(pair.source)", "\(pair.destination)",
                ]).output
                let answer =
                    if case .v4 = pair.destination { "Time to live exceeded" } else { "Time exceeded: Hop limit" }
                #expect(output.contains(answer), "\(pair.title): \(output)")
            }
        }
    }

    @Test("traceroute shows every router", arguments: cases)
    func traceroute(ours: [Router]) throws {
        try withChain(ours) { chain in
            try chain.warmUp()
            for pair in chain.plain where pair.isForward {
                let output = try chain.h1.check([
                    "traceroute", "-n", "-q", "1", "-N", "1", "-w", "3", "-m", "8", "-s", "\(pair.source)",
                    "\(pair.destination)",
                ])
                let hops = output.split(separator: "\n").dropFirst().map { $0.split(separator: " ") }
                #expect(hops.count == 4, "\(pair.title): \(output)")
                #expect(hops.allSatisfy { $0.count > 1 && $0[1] != "*" }, "\(pair.title): \(output)")
                #expect(hops.last?.contains("\(pair.destination)") == true, "\(pair.title): \(output)")
            }
        }
    }

    @Test("a packet too big for the next link is answered", arguments: cases)
    func tooBig(ours: [Router]) throws {
        try withChain(ours, coreMTU: 1290) { chain in
            try chain.warmUp()
            for pair in chain.plain where pair.isForward {
                let output = try chain.h1.run([
                    "ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1310", "-I", "\(pair.source)",
                    "\(pair.destination)",
                ]).output
                let answer = if case .v4 = pair.destination { "mtu = 1290" } else { "Packet too big: mtu=1290" }
                #expect(output.contains(answer), "\(pair.title): \(output)")
            }
        }
    }

    @Test("the first packet to an unknown neighbor resolves it and arrives", arguments: cases)
    func unresolved(ours: [Router]) throws {
        try withChain(ours) { chain in
            for pair in chain.plain + chain.flows.map(\.pair) {
                for node in [chain.r1, chain.r2, chain.r3] { try node.check(["ip", "neigh", "flush", "all"]) }
                #expect(try chain.ping(pair), "\(pair.label) \(pair.title)")
            }
        }
    }
}
