// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// How many packets a second a router encapsulates on one core: the engine, with every packet marked and counted, and
/// the kernel by the same routes, in one run.
///
/// generator (core 0) - router (core 1: receiving NAPI thread, and the engine's worker) - sink. Small packets, one
/// segment. A path's figure is the best of several offered rates, because an overloaded kernel delivers less.
public struct ThroughputExperiment {
    /// What one path delivered at one offered rate.
    public struct Trial: Hashable, Sendable {
        public var offered: Double
        public var delivered: Double
    }

    public struct Result: Hashable, Sendable {
        public var engine: [Trial]
        public var kernel: [Trial]

        public var best: (engine: Double, kernel: Double) {
            (engine.map(\.delivered).max() ?? 0, kernel.map(\.delivered).max() ?? 0)
        }
        public var ratio: Double { best.kernel > 0 ? best.engine / best.kernel : 0 }
    }

    /// Packets per second that are offered, in turn.
    public var rates: [Double] = [200_000, 300_000, 500_000, 700_000, 900_000, 1_200_000]
    public var secondsPerTrial = 1.0
    private let laboratory: Laboratory
    private let generator: Namespace
    private let router: Namespace
    private let sink: Namespace

    private static let generatorCore = 0
    private static let routerCore = 1
    private static let segment = "fcff:2::1"

    public init(in laboratory: Laboratory) throws(LabError) {
        self.laboratory = laboratory
        generator = try laboratory.namespace("gen")
        router = try laboratory.namespace("sut")
        sink = try laboratory.namespace("sink")
        try router.becomeRouter()
        try connect(Port(generator, "gen-sut"), Port(router, "sut-gen"))
        try connect(Port(router, "sut-sink"), Port(sink, "sink-sut"))
        // The sink's stack throws away what is addressed to somebody else before it looks further.
        try router.ip(
            "addr add fd00:1::1/64 dev sut-gen", "addr add fcf0::1/64 dev sut-sink",
            "neigh add fcf0::2 lladdr 02:00:00:00:00:99 dev sut-sink", "sr tunsrc set fcff:1::1",
            "route add fcff:2::/32 via fcf0::2 dev sut-sink",
            "route add fd00:8::/64 encap seg6 mode encap segs \(Self.segment) dev sut-sink")
    }

    /// Kernel and engine, each at every rate.
    public func run(report: (String) -> Void) throws(LabError) -> Result {
        let traffic = try makeGenerator()
        // GRO gives a veth without a program its NAPI, which can have a thread of its own.
        try router.check(["ethtool", "-K", "sut-gen", "gro", "on"])
        try pinNAPI()
        let kernel = try trials("kernel", traffic, report)
        try router.check(["ethtool", "-K", "sut-gen", "gro", "off"])
        let daemon = try Daemon(on: router, in: laboratory) { socket in
            """
            socket: \(socket)
            dataplane: {workers: 1, cores: [\(Self.routerCore)]}
            ports: [{name: sut-gen}, {name: sut-sink}]
            flows: [{segments: [\(Self.segment)], mode: encap, direction: egress}]
            """
        }
        try pinNAPI()
        let engine = try trials("engine", traffic, report)
        guard try daemon.totals().isBalanced else { throw .missing("the engine's books do not balance") }
        return Result(engine: engine, kernel: kernel)
    }

    /// IPv6 and UDP in 64 octets, to a thousand destinations.
    private func makeGenerator() throws(LabError) -> TrafficGenerator {
        var frame = [UInt8](repeating: 0, count: EthernetView.byteCount + 64)
        let destination = try router.mac(of: "sut-gen")
        let source = try generator.mac(of: "gen-sut")
        guard let from = IPv6Address("fd00:1::2"), let to = IPv6Address("fd00:8::") else {
            preconditionFailure("these are addresses")
        }
        var span = frame.mutableSpan
        var buffer = unsafe span.mutableBytes
        Ethernet(destination: destination, source: source, type: EtherType.ipv6).emit(into: &buffer, at: 0)
        IPv6(payloadLength: 24, nextHeader: NextHeader.udp, hopLimit: 64, source: from, destination: to)
            .emit(into: &buffer, at: EthernetView.byteCount)
        let transport = EthernetView.byteCount + IPv6View.byteCount
        let pseudo = Checksum.pseudoHeader(source: from, destination: to, length: 24, nextHeader: NextHeader.udp)
        UDP(sourcePort: 5001, destinationPort: 5001)
            .emit(into: &buffer, at: transport, payloadLength: 16, pseudoHeader: pseudo)
        return try TrafficGenerator(
            frame: frame, outOf: "gen-sut", in: generator, flowCount: 1000,
            fields: [EthernetView.byteCount + 38], checksums: [transport + 6])
    }

    private func trials(
        _ name: String, _ traffic: TrafficGenerator, _ report: (String) -> Void
    ) throws(LabError) -> [Trial] {
        // Neighbors, caches and the clock of the processor.
        _ = try offer(traffic, rate: rates[0], seconds: 0.3)
        var trials: [Trial] = []
        for rate in rates {
            let trial = try offer(traffic, rate: rate, seconds: secondsPerTrial)
            report("\(name): offered \(Int(trial.offered)), delivered \(Int(trial.delivered)) packets per second")
            trials.append(trial)
        }
        return trials
    }

    private func offer(_ traffic: TrafficGenerator, rate: Double, seconds: Double) throws(LabError) -> Trial {
        let before = try sink.statistic("rx_packets", of: "sink-sut")
        let mask = pinThread(to: Self.generatorCore)
        let sent = try traffic.send(UInt64(rate * seconds), perSecond: rate)
        restoreThread(mask)
        // What is on its way arrives.
        var after = try sink.statistic("rx_packets", of: "sink-sut")
        try wait(for: "the last packets to arrive", upTo: .seconds(5), every: .milliseconds(50)) {
            () throws(LabError) in
            let now = try sink.statistic("rx_packets", of: "sink-sut")
            defer { after = now }
            return now == after
        }
        let elapsed = Double(sent.nanoseconds) / 1e9
        return Trial(offered: Double(sent.packets) / elapsed, delivered: Double(after - before) / elapsed)
    }

    /// Gives the router's receiving device a NAPI thread, on the router's core.
    private func pinNAPI() throws(LabError) {
        let script = """
            echo 0 > /sys/class/net/sut-gen/threaded; echo 1 > /sys/class/net/sut-gen/threaded
            for comm in /proc/[0-9]*/comm; do
                case "$(cat "$comm" 2>/dev/null)" in
                napi/sut-gen-*) pid="${comm#/proc/}"; taskset -pc \(Self.routerCore) "${pid%/comm}" ;;
                esac
            done
            """
        let output = try router.check(["bash", "-c", script])
        guard output.contains("affinity") else { throw .missing("the kernel has made no NAPI thread for sut-gen") }
    }
}

/// Pins the calling thread, and those it makes, to a core. *Returns*: where it could run before.
private func pinThread(to core: Int) -> cpu_set_t {
    var before = cpu_set_t()
    _ = unsafe pthread_getaffinity_np(pthread_self(), MemoryLayout<cpu_set_t>.size, &before)
    var only = cpu_set_t()
    unsafe withUnsafeMutableBytes(of: &only) { octets in unsafe octets[core / 8] |= 1 << UInt8(core % 8) }
    _ = unsafe pthread_setaffinity_np(pthread_self(), MemoryLayout<cpu_set_t>.size, &only)
    return before
}

private func restoreThread(_ mask: cpu_set_t) {
    var mask = mask
    _ = unsafe pthread_setaffinity_np(pthread_self(), MemoryLayout<cpu_set_t>.size, &mask)
}
