// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import SRv6
import Testing
import Wire

/// The laboratory itself, with nothing but kernels: what it says about the router is worth what this is worth.
@Suite("Laboratory", .serialized, .needsRoot)
struct LaboratoryTests {
    @Test("everything that was made is gone after close")
    func closes() throws {
        let laboratory = try Laboratory()
        let node = try laboratory.namespace("alone")
        let process = try laboratory.start(["sleep", "1000"], as: "sleep", in: node)
        #expect(process.status == nil)
        laboratory.close()
        #expect(process.status == 128 + SIGTERM)
        #expect(!exists("/run/netns/\(node.name)"))
        #expect(!exists(laboratory.directory))
        #expect(throws: LabError.closed) { try laboratory.namespace("late") }
    }

    @Test("what a killed run has left goes when the next begins")
    func sweeps() throws {
        // A process id that is certainly nobody's: that of a child that has ended and been waited for.
        let ended = try Int(check(["sh", "-c", "echo $$"]).split(separator: "\n").first.map(String.init) ?? "") ?? 0
        let name = "srv6pm-\(ended)-1-left"
        try check(["ip", "netns", "add", name])
        try inLaboratory { _ in #expect(!exists("/run/netns/\(name)")) }
    }

    @Test("a command that hangs is killed at its deadline")
    func deadline() throws {
        let clock = ContinuousClock()
        let start = clock.now
        #expect(throws: LabError.self) { try run(["sleep", "1000"], upTo: .milliseconds(200)) }
        #expect(clock.now - start < .seconds(10))
    }

    @Test("kernels alone carry every flow of a chain")
    func kernelChain() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.behaviors, in: laboratory, queues: 1)
            try chain.warmUp()
            for (pair, report) in try exchange(chain.flows.map(\.pair) + chain.plain, on: chain, in: laboratory) {
                #expect(report.datagrams == 150 && report.lost == 0, "\(pair.label) \(pair.title): \(report)")
            }
        }
    }

    @Test("tshark and scapy find nothing wrong with what kernels emit, in the same words as for ours")
    func kernelEmission() throws {
        try inLaboratory { laboratory in
            try checkEmission(of: try Chain(.behaviors, in: laboratory, queues: 1), in: laboratory)
        }
    }

    @Test("tshark and scapy do object to what is wrong")
    func readersObject() throws {
        try inLaboratory { laboratory in
            let left = try laboratory.namespace("left")
            let right = try laboratory.namespace("right")
            try connect(Port(left, "veth-left"), Port(right, "veth-right"))
            let capture = try Capture(on: Port(right, "veth-right"), filter: "udp", in: laboratory)
            let socket = try RawSocket(on: Port(left, "veth-left"))
            let good = udpFrame(
                to: try right.mac(of: "veth-right"), source: "fd00::1", destination: "fd00::2", payloadLength: 22)
            var wrongChecksum = good
            wrongChecksum[14 + 40 + 6] ^= 1
            for frame in [good, wrongChecksum] { #expect(socket.send(frame)) }
            try wait(for: "both frames to be captured") { () throws(LabError) in
                (fileSize(capture.path) ?? 0) >= 24 + 2 * (16 + good.count)
            }
            try capture.finish()
            #expect(try objectionsOfTshark(to: capture.path).map { $0.first } == ["2"])
        }
    }

    @Test("the dropper's count is iperf3's count", .needsBPF)
    func dropper() throws {
        try inLaboratory { laboratory in
            let chain = try Chain(.measurement, in: laboratory, queues: 2)
            let flow = try #require(chain.flows.first)
            let impairment = try Impairment(on: ["r2-r1", "r2-r3"], in: chain.r2)
            // Registered under its key, and lossless for now, because the ping and iperf3's handshake must arrive.
            try impairment.add(flow.key, loss: Impairment.Loss(probability: 0.05, burst: 3))
            try chain.warmUp()
            let streams = try Lab.Stream.start(
                [(flow.pair, Load(bitsPerSecond: 4_000_000, length: 400))], .seconds(3), on: chain, in: laboratory)
            try wait(for: "traffic") { () throws(LabError) in
                try impairment.counts(of: flow.key).seen.uncolored.packets > 100
            }
            let before = try impairment.counts(of: flow.key)
            #expect(before.dropped.uncolored.packets == 0)
            try impairment.setLosing(true)
            try wait(for: "losses") { () throws(LabError) in
                try impairment.counts(of: flow.key).dropped.uncolored.packets > 50
            }
            try impairment.setLosing(false)
            let lost = Int(try impairment.counts(of: flow.key).dropped.uncolored.packets)
            let report = try #require(try streams[0].finish(upTo: .seconds(20)))
            // iperf3's control connection travels by the same policy and may have lost packets too.
            #expect(report.lost <= lost && report.lost >= lost - 10 && report.lost > 40, "\(report), dropper: \(lost)")
        }
    }

    @Test("the generator sends exactly as many packets as asked, at the rate asked", .needsBPF)
    func generator() throws {
        try inLaboratory { laboratory in
            let left = try laboratory.namespace("left")
            let right = try laboratory.namespace("right")
            // Nobody says a word of his own.
            for node in [left, right] { try node.sysctl("net.ipv6.conf.default.disable_ipv6=1") }
            try connect(Port(left, "veth-left"), Port(right, "veth-right"))
            // A veth takes XDP frames only while its peer's receive side runs NAPI.
            try right.check(["ethtool", "-K", "veth-right", "gro", "on"])
            let frame = udpFrame(
                to: try right.mac(of: "veth-right"), source: "fd00::1", destination: "fd00::2", payloadLength: 22)
            let generator = try TrafficGenerator(
                frame: frame, outOf: "veth-left", in: left, flowCount: 1000, fields: [14 + 38, 14 + 40],
                checksums: [14 + 40 + 6])
            let before = try right.statistic("rx_packets", of: "veth-right")
            let report = try generator.send(20_000, perSecond: 20_000)
            #expect(report.packets == 20_000)
            #expect(report.octets == 20_000 * UInt64(frame.count))
            #expect(report.nanoseconds > 990_000_000, "sent too fast")
            #expect(try right.statistic("rx_packets", of: "veth-right") - before == 20_000)
        }
    }
}

/// A valid frame with a UDP datagram over IPv6.
func udpFrame(to mac: MACAddress, source: String, destination: String, payloadLength: Int) -> [UInt8] {
    guard let source = IPv6Address(source), let destination = IPv6Address(destination) else { return [] }
    var frame = [UInt8](repeating: 0xa5, count: 14 + 40 + 8 + payloadLength)
    var span = frame.mutableSpan
    var octets = unsafe span.mutableBytes
    Ethernet(destination: mac, source: MACAddress(0x02_00_00_00_00_01), type: EtherType.ipv6).emit(into: &octets, at: 0)
    IPv6(
        trafficClass: 0xb8, flowLabel: 0x12345, payloadLength: UInt16(8 + payloadLength), nextHeader: 17, hopLimit: 61,
        source: source, destination: destination
    ).emit(into: &octets, at: 14)
    UDP(sourcePort: 1027, destinationPort: 5401).emit(
        into: &octets, at: 54, payloadLength: payloadLength,
        pseudoHeader: Checksum.pseudoHeader(
            source: source, destination: destination, length: 8 + payloadLength, nextHeader: 17))
    return frame
}
