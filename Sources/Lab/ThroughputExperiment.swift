// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// How many packets a second a router encapsulates: the engine, with every packet marked and counted, and the kernel
/// by the same routes, in one run.
///
/// generator - router - sink. The generator has core 0, the router core 1. Where the router's receiving runs is half of
/// the result on a veth, so there are two placements, each for both paths. Small packets, a thousand destinations, one
/// segment. A path's figure is the best of several offered rates, because an overloaded kernel delivers less.
public struct ThroughputExperiment {
    /// Where packets are received, before they are forwarded on core 1.
    public enum Placement: String, CaseIterable, Sendable {
        /// The veth's receive softirq, and the sink's, stay on the generator's core; the kernel gets the packets over
        /// by receive packet steering, the engine by its rings.
        case split
        /// A NAPI thread receives on core 1 too; the sink's softirq comes on top.
        case together
    }

    public enum Path: String, CaseIterable, Sendable {
        case kernel, engine
    }

    /// What one path delivered at one offered rate.
    public struct Trial: Hashable, Sendable {
        public var placement: Placement
        public var path: Path
        public var offered: Double
        public var delivered: Double
    }

    public struct Result: Hashable, Sendable {
        public var trials: [Trial]

        /// Packets per second at the best offered rate.
        public func best(_ path: Path, _ placement: Placement) -> Double {
            trials.filter { $0.path == path && $0.placement == placement }.map(\.delivered).max() ?? 0
        }

        /// The engine's figure over the kernel's.
        public func ratio(_ placement: Placement) -> Double {
            best(.kernel, placement) > 0 ? best(.engine, placement) / best(.kernel, placement) : 0
        }
    }

    /// Packets per second that are offered, in turn.
    public var rates: [Double] = [300_000, 500_000, 700_000, 900_000, 1_200_000]
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

    /// Kernel and engine in both placements, each at every rate.
    public func run(report: (String) -> Void) throws(LabError) -> Result {
        let traffic = try makeGenerator()
        var trials: [Trial] = []
        // GRO gives a veth without a program its NAPI.
        try router.check(["ethtool", "-K", "sut-gen", "gro", "on"])
        for placement in Placement.allCases {
            try place(placement)
            trials += try self.trials(.kernel, placement, traffic, report)
        }
        try router.check(["ethtool", "-K", "sut-gen", "gro", "off"])
        let daemon = try Daemon(on: router, in: laboratory) { socket in
            """
            socket: \(socket)
            dataplane: {workers: 1, cores: [\(Self.routerCore)]}
            ports: [{name: sut-gen}, {name: sut-sink}]
            flows: [{segments: [\(Self.segment)], mode: encap, direction: egress}]
            """
        }
        for placement in Placement.allCases {
            try place(placement)
            trials += try self.trials(.engine, placement, traffic, report)
        }
        guard try daemon.totals().isBalanced else { throw .missing("the engine's books do not balance") }
        return Result(trials: trials)
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
        _ path: Path, _ placement: Placement, _ traffic: TrafficGenerator, _ report: (String) -> Void
    ) throws(LabError) -> [Trial] {
        // Neighbors, caches and the clock of the processor.
        _ = try offer(traffic, rate: rates[0], seconds: 0.3)
        var trials: [Trial] = []
        for rate in rates {
            let rates = try offer(traffic, rate: rate, seconds: secondsPerTrial)
            report(
                "\(path.rawValue), \(placement.rawValue): offered \(Int(rates.offered)), "
                    + "delivered \(Int(rates.delivered)) packets per second")
            trials.append(
                Trial(placement: placement, path: path, offered: rates.offered, delivered: rates.delivered))
        }
        return trials
    }

    private func offer(
        _ traffic: TrafficGenerator, rate: Double, seconds: Double
    ) throws(LabError) -> (offered: Double, delivered: Double) {
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
        return (Double(sent.packets) / elapsed, Double(after - before) / elapsed)
    }

    /// Puts the receiving of router and sink where the placement wants it.
    private func place(_ placement: Placement) throws(LabError) {
        let steering = placement == .split
        try setQueue(router, "sut-gen", cores: steering ? 1 << Self.routerCore : 0)
        try setQueue(sink, "sink-sut", cores: steering ? 1 << Self.generatorCore : 0)
        let thread = placement == .together ? 1 : 0
        let script = """
            echo 0 > /sys/class/net/sut-gen/threaded; echo \(thread) > /sys/class/net/sut-gen/threaded
            for comm in /proc/[0-9]*/comm; do
                case "$(cat "$comm" 2>/dev/null)" in
                napi/sut-gen-*) pid="${comm#/proc/}"; taskset -pc \(Self.routerCore) "${pid%/comm}" ;;
                esac
            done
            """
        let output = try router.check(["bash", "-c", script])
        guard thread == 0 || output.contains("affinity") else {
            throw .missing("the kernel has made no NAPI thread for sut-gen")
        }
    }

    /// Receive packet steering of a device's first queue to a mask of cores.
    private func setQueue(_ node: Namespace, _ device: String, cores: Int) throws(LabError) {
        let file = "/sys/class/net/\(device)/queues/rx-0/rps_cpus"
        try node.check(["bash", "-c", "echo \(String(cores, radix: 16)) > \(file)"])
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
