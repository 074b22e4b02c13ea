// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import SRv6
import Testing
import Wire

/// What remains when the daemon goes: the kernel, with the same routes.
@Suite("End of the daemon", .serialized, .needsRoot, .needsDaemon)
struct EndOfDaemonTests {
    @Test("after kill -9 under traffic the kernel forwards on")
    func kill() throws {
        let (sent, lost, seconds) = try interruptTraffic { $0.process.kill() }
        print("kill -9 of the daemon lost \(lost) of \(sent) packets that crossed it")
        // Half a second's worth, and in truth far less.
        #expect(lost * 2 * seconds <= sent)
    }

    @Test("SIGTERM under traffic ends it cleanly, and the kernel forwards on")
    func terminate() throws {
        let (sent, lost, seconds) = try interruptTraffic { daemon in
            daemon.process.signal(SIGTERM)
            let status = try daemon.process.waitForEnd(upTo: .seconds(10))
            #expect(status == 0, "\(daemon.process.output)")
            #expect(!exists(daemon.socket))
        }
        print("SIGTERM of the daemon lost \(lost) of \(sent) packets that crossed it")
        #expect(lost * 2 * seconds <= sent)
    }

    /// Takes the daemon of r1 away in the middle of UDP traffic both ways. *Returns*: what iperf3 says of it.
    private func interruptTraffic(
        _ end: (Daemon) throws -> Void
    ) throws -> (sent: Int, lost: Int, seconds: Int) {
        var result = (sent: 0, lost: 0, seconds: 5)
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 2)
            let daemon = try Daemon(.r1, of: chain, in: laboratory, workers: 2)
            try chain.warmUp()
            let loads = (chain.flows.map(\.pair) + chain.plain).map { pair in
                (pair: pair, load: Load(bitsPerSecond: 800_000, length: 400))
            }
            let streams = try Lab.Stream.start(loads, .seconds(result.seconds), on: chain, in: laboratory)
            let before = try chain.h3.statistic("rx_packets", of: "h3-r3")
            try wait(for: "traffic") { () throws(LabError) in
                try chain.h3.statistic("rx_packets", of: "h3-r3") > before + 2000
            }
            try end(daemon)
            #expect(daemon.process.status != nil)
            // Every stream is still flowing when the daemon has gone, or the test would prove nothing.
            for stream in streams { #expect(try stream.isRunning, "\(stream.pair.label) ended early") }
            for stream in streams {
                let report = try #require(try stream.finish(upTo: .seconds(20)))
                #expect(report.datagrams > 500, "\(stream.pair.label)")
                result.sent += report.datagrams
                result.lost += report.lost
            }
            for device in ["r1-h1", "r1-r2"] {
                let words = try chain.r1.check(["ip", "-details", "link", "show", "dev", device])
                #expect(!words.contains("xdp"), "an XDP program is left on \(device): \(words)")
            }
            #expect(try chain.r1.run(["ip", "link", "show", "dev", "srv6pm0"]).status != 0, "the TUN device is left")
            // And without traffic in flight nothing is lost at all.
            for (pair, report) in try exchange(chain.flows.map(\.pair), on: chain, in: laboratory) {
                #expect(report.lost == 0, "\(pair.label)")
            }
        }
        return result
    }
}
