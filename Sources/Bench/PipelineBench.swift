// SPDX-License-Identifier: Apache-2.0
import Dataplane
import Glibc
import SRv6
import Wire

/// Measures the engine's packet path between memory ports: everything but the driver.
///
/// Packets are drawn at random from all flows, each with its own addresses, and written into fresh frames before every
/// burst, as a driver would; that writing is not timed, and leaves the headers in the processor's cache, as DMA with
/// direct cache access does.
public struct PipelineBench: Sendable {
    public enum Case: String, CaseIterable, Sendable {
        /// Plain IPv6.
        case forward
        /// H.Encaps with one segment.
        case hencaps1
        /// H.Encaps with three segments.
        case hencaps3
        /// End.DT6 of packets with a segment list of two.
        case enddt6
        /// End of packets with a segment list of two.
        case end
    }

    /// When to end.
    public enum Length: Sendable {
        case packets(Int)
        case seconds(Double)
    }

    public struct Result: Sendable {
        public var name: String
        public var flows: Int
        public var routes: Int
        public var monitored: Int
        public var packets: Int
        public var nanosecondsPerPacket: Double
        public var packetsPerSecond: Double { 1e9 / nanosecondsPerPacket }
    }

    public var benchCase: Case
    /// Different flows: destinations, and policies where packets are encapsulated.
    public var flows: Int
    /// Routes in the table beside those that the flows use.
    public var routes: Int
    /// Flows that are marked and counted.
    public var monitored: Int
    public var burstSize = 64

    public init(_ benchCase: Case, flows: Int, routes: Int, monitored: Int) {
        self.benchCase = benchCase
        self.flows = flows
        self.routes = routes
        self.monitored = monitored
    }

    private static let ringSize = 512
    private static let router = IPv6Address(high: 0xfcff_0001_0000_0000, low: 1)
    private static let ours = MACAddress(0x0200_0000_0101)
    private static let theirs = MACAddress(0x0200_0000_0102)

    /// *Throws*: ``BenchError`` when a packet did not take the way that the case says, or a counter is off by one.
    public func run(_ length: Length) throws -> Result {
        var configuration = DataplaneConfiguration()
        configuration.ports = [.init(name: "in"), .init(name: "out")]
        configuration.maximumFlows = max(monitored, 1)
        configuration.burstSize = burstSize
        configuration.ringSize = Self.ringSize
        let dataplane = try Dataplane(configuration, report: { _ in })
        dataplane.apply(network())
        for index in 0..<min(monitored, flows) { try dataplane.addFlow(monitoredFlow(index)) }
        let driver = try dataplane.startInMemory()
        let packets = PacketStore((0..<flows).map(packet))
        var random = SplitMix(seed: 0x5eed)
        var sent = 0
        var elapsed: UInt64 = 0
        // Tables, counters and branch predictors are warm before the clock starts.
        for _ in 0..<(200 + flows / burstSize) { _ = step(driver, packets, &random) }
        let warm = dataplane.workers()[0].received
        let limit = if case .packets(let count) = length { count } else { Int.max }
        let deadline = if case .seconds(let seconds) = length { UInt64(seconds * 1e9) } else { UInt64.max }
        while sent < limit, elapsed < deadline {
            elapsed += step(driver, packets, &random)
            sent += burstSize
        }
        try check(dataplane, packets: Int(warm) + sent)
        dataplane.stop()
        return Result(
            name: benchCase.rawValue, flows: flows, routes: routes, monitored: min(monitored, flows), packets: sent,
            nanosecondsPerPacket: Double(elapsed) / Double(sent))
    }

    /// One burst. *Returns*: nanoseconds that the worker took for it.
    private func step(_ driver: MemoryDriver, _ packets: borrowing PacketStore, _ random: inout SplitMix) -> UInt64 {
        for _ in 0..<burstSize {
            let index = Int(random.next() % UInt64(flows))
            packets.withPacket(index) { octets in
                let delivered = driver.deliver(octets, port: 0)
                precondition(delivered, "the receive ring holds a burst")
            }
        }
        let start = now()
        driver.turn()
        let end = now()
        driver.collect { _, _ in }
        return end - start
    }

    private func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Every packet was sent on, and every packet of a monitored flow counted once.
    private func check(_ dataplane: Dataplane, packets: Int) throws {
        let worker = dataplane.workers()[0]
        guard worker.transmitted == UInt64(packets) else {
            throw BenchError(
                "\(packets) packets went in, \(worker.transmitted) came out: \(dataplane.drops().filter { $0.packets > 0 }), \(worker.punted) punted"
            )
        }
        guard monitored >= flows else { return }
        let counted = dataplane.readings().reduce(0) {
            $0 + $1.counters.a.packets + $1.counters.b.packets + $1.counters.uncolored.packets
        }
        guard counted == UInt64(packets) || benchCase == .forward else {
            throw BenchError("\(packets) packets went out, \(counted) were counted")
        }
    }

    // MARK: The scene

    private func destination(_ index: Int) -> IPv6Address {
        IPv6Address(high: 0xfd10_0000_0000_0000 | UInt64(index) << 16, low: 2)
    }

    private func policy(_ index: Int) -> Policy {
        let first = IPv6Address(high: 0xfcff_0000_0000_0000 | UInt64(index) << 8, low: 1)
        let list =
            switch benchCase {
            case .hencaps3:
                [
                    first, IPv6Address(high: 0xfcff_8000_0000_0000, low: 1),
                    IPv6Address(high: 0xfcff_9000_0000_0000, low: 0x100),
                ]
            default: [first]
            }
        guard let segments = SegmentList(list) else { preconditionFailure("one or three segments are a list") }
        return Policy(segments: segments)
    }

    /// The list in the SRH of packets that arrive at a local SID: two segments, the first of which tells flows apart.
    private func arrivingList(_ index: Int) -> [SID] {
        let first = IPv6Address(high: 0xfcfe_0000_0000_0000 | UInt64(index) << 8, low: 1)
        switch benchCase {
        case .end: return [Self.sid, IPv6Address(high: 0xfcff_0000_0000_0000 | UInt64(index) << 8, low: 1)]
        default: return [first, Self.sid]
        }
    }

    private static let sid = IPv6Address(high: 0xfcff_ffff_0000_0000, low: 0x100)

    private func monitoredFlow(_ index: Int) throws -> Flow {
        switch benchCase {
        case .forward, .hencaps1, .hencaps3: return Flow(policy: policy(index), direction: .egress)
        case .end, .enddt6:
            guard let segments = SegmentList(arrivingList(index)) else { throw BenchError("no segments") }
            return Flow(policy: Policy(segments: segments), direction: .ingress)
        }
    }

    private func network() -> [NetworkChange] {
        let gateway = Neighbor.Key(linkIndex: 2, address: .v6(IPv6Address(high: 0xfcf0 << 48, low: 2)))
        var changes: [NetworkChange] = [
            .link(Link(index: 1, name: "in", mac: Self.ours, mtu: 1500, isUp: true)),
            .link(Link(index: 2, name: "out", mac: Self.ours, mtu: 1500, isUp: true)),
            .neighbor(Neighbor(key: gateway, mac: Self.theirs)),
            .tunnelSource(Self.router),
        ]
        func add(_ address: IPv6Address, _ length: Int, _ hop: NextHop) {
            let key = Route.Key(
                table: Route.mainTable, prefix: IPPrefix(.v6(address), length: length), metric: 1024,
                linkIndex: hop.linkIndex)
            changes.append(.route(Route(key: key, kind: .unicast, nextHops: [hop])))
        }
        let plain = NextHop(linkIndex: 2, gateway: gateway.address)
        var random = SplitMix(seed: 0xf1b)
        for _ in 0..<routes {
            // Unrelated prefixes of the lengths that routing tables mostly hold.
            let length = [32, 40, 44, 48, 48, 48, 56, 64][Int(random.next() % 8)]
            add(IPv6Address(high: 0x2000 << 48 | random.next() >> 3, low: 0).masked(to: length), length, plain)
        }
        switch benchCase {
        case .forward, .enddt6: for index in 0..<flows { add(destination(index).masked(to: 64), 64, plain) }
        case .hencaps1, .hencaps3:
            for index in 0..<flows {
                let hop = NextHop(linkIndex: 2, encapsulation: .seg6(policy(index)))
                add(destination(index).masked(to: 64), 64, hop)
            }
            add(IPv6Address(high: 0xfcff << 48, low: 0), 16, plain)
        case .end: add(IPv6Address(high: 0xfcff << 48, low: 0), 16, plain)
        }
        let local = LocalSID(
            behavior: benchCase == .end ? .end : .endDT6, table: benchCase == .end ? nil : Route.mainTable)
        if benchCase == .end || benchCase == .enddt6 {
            add(Self.sid, 128, NextHop(linkIndex: 1, encapsulation: .seg6local(local)))
        }
        return changes
    }

    /// A packet of the 64-octet class: 40 of IPv6, 8 of UDP, 16 of payload.
    private func packet(_ index: Int) -> [UInt8] {
        let factory = PacketFactory(destinationMAC: Self.ours, sourceMAC: Self.theirs)
        let inner = PacketFactory.ipv6(
            from: IPv6Address(high: 0xfd11 << 48, low: UInt64(index) + 1), to: destination(index),
            sourcePort: UInt16(truncatingIfNeeded: index), payload: [UInt8](repeating: 0x5a, count: 16))
        switch benchCase {
        case .forward, .hencaps1, .hencaps3: return factory.frame(inner)
        case .enddt6, .end:
            let list = arrivingList(index)
            let left: UInt8 = benchCase == .end ? 1 : 0
            return factory.frame(
                PacketFactory.encapsulated(
                    inner, from: IPv6Address(high: 0xfcff_0002 << 32, low: 1), to: Self.sid, listed: list,
                    segmentsLeft: left, trafficClass: 0x04))
        }
    }
}

/// A benchmark whose packets did not do what it measures.
public struct BenchError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Packets of equal length, back to back in one array.
struct PacketStore: ~Copyable {
    private let octets: [UInt8]
    private let byteCount: Int

    /// *Requires*: at least one packet, all of one length.
    init(_ packets: [[UInt8]]) {
        byteCount = packets[0].count
        octets = packets.flatMap { $0 }
        precondition(octets.count == byteCount * packets.count, "packets differ in length")
    }

    func withPacket(_ index: Int, _ body: (RawSpan) -> Void) {
        let span = octets.span
        unsafe body(span.bytes.extracting(index * byteCount..<(index + 1) * byteCount))
    }
}

/// A small random generator with a seed, so that a run can be repeated (SplitMix64).
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
