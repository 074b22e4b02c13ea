// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import Testing

@Suite("Ports", .serialized, .needsRoot, .needsDaemon)
struct PortTests {
    @Test("busy polling forwards as interrupts do")
    func busyPolling() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            let daemon = try Daemon(on: chain.r1, in: laboratory) { socket in
                chain.daemonConfiguration(of: chain.r1, socket: socket, workers: 1, isMonitoring: false)
                    .replacing("{name: r1-h1}", with: "{name: r1-h1, polling: busy-poll}")
                    .replacing("{name: r1-r2}", with: "{name: r1-r2, polling: busy-poll}")
            }
            #expect(try daemon.show("ports").contains("busy-poll"))
            try chain.warmUp()
            for (pair, report) in try exchange(chain.flows.map(\.pair), on: chain, in: laboratory) {
                #expect(report.datagrams == 150 && report.lost == 0, "\(pair.label) \(pair.title): \(report)")
            }
        }
    }

    @Test("a neighbor that changes its MAC address is found again, though the kernel sees none of the traffic")
    func neighborChanges() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            // The kernel believes a neighbor for a second, not for half a minute.
            try chain.r3.sysctl(
                "net.ipv6.neigh.r3-h3.base_reachable_time_ms=1000", "net.ipv6.neigh.r3-h3.delay_first_probe_time=1",
                "net.ipv4.neigh.r3-h3.base_reachable_time_ms=1000", "net.ipv4.neigh.r3-h3.delay_first_probe_time=1")
            _ = try Daemon(.r3, of: chain, in: laboratory)
            try chain.warmUp()
            // Without a word to its neighbors.
            try chain.h3.sysctl("net.ipv4.conf.h3-r3.arp_notify=0", "net.ipv6.conf.h3-r3.ndisc_notify=0")
            try chain.h3.ip("link set h3-r3 address 02:00:00:00:33:33")
            try chain.warmUp(upTo: .seconds(30))
        }
    }

    @Test("an interface that goes away takes neither the daemon nor a core with it")
    func interfaceRemoved() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            let daemon = try Daemon(.r1, of: chain, in: laboratory)
            try chain.warmUp()
            try chain.r1.ip("link del r1-h1")
            try wait(for: "the daemon to see it gone", upTo: .seconds(5), every: .milliseconds(50)) {
                () throws(LabError) in
                try daemon.show("ports").contains("down")
            }
            let before = try cpuTime(of: daemon.process.pid)
            let start = wallClock()
            sleep(untilWallClock: start + 2)
            // The color clock and the question cost a little; a worker that spins costs everything.
            #expect(try cpuTime(of: daemon.process.pid) - before < 0.5)
            try daemon.stop()
        }
    }
}

/// Seconds of processor time that a process has used.
private func cpuTime(of pid: pid_t) throws -> Double {
    let text = try check(["cat", "/proc/\(pid)/stat"])
    // The name, in parentheses, may hold spaces.
    let fields = text.drop { $0 != ")" }.split(separator: " ")
    let user = try #require(Double(fields[12])), system = try #require(Double(fields[13]))
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}
