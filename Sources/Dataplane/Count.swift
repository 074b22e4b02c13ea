// SPDX-License-Identifier: Apache-2.0
import CXDP
import SRv6
import Wire

/// A worker's counters: one writer, any number of readers, no locks.
///
/// *Layout*: 64-bit cells. A flow has one cache line per direction: packets of A, B and uncolored, then octets of
/// the same, two cells unused.
/// *Memory order*: relaxed. A color's cells are read while the other color is active, when nobody writes them.
struct Counters: BitwiseCopyable {
    enum Sum: Int, CaseIterable { case bursts, received, transmitted, punted, dropped, sleeps }
    enum PortSum: Int, CaseIterable { case receivedPackets, receivedOctets, transmittedPackets, transmittedOctets }

    static let maximumPorts = 64
    static let maximumSIDs = 65536
    /// Adjacencies whose use is noticed.
    static let maximumAdjacencies = 65536
    static let flowCells = 8

    let sums: Cells
    let drops: Cells
    let ports: Cells
    let sids: Cells
    /// Packets sent by each adjacency: tells which neighbors are in use.
    let adjacencies: Cells
    let ingress: Cells
    let egress: Cells

    /// Octets of the region that `init` needs.
    static func byteCount(maximumFlows: Int) -> Int { 8 * (fixedCells + 2 * flowCells * maximumFlows) }

    // Each group starts on a cache line of its own.
    private static let sumCells = 8
    private static let dropCells = (DropReason.allCases.count + 7) / 8 * 8
    private static let portCells = 4 * maximumPorts
    private static let sidCells = 2 * maximumSIDs
    private static let fixedCells = 8 + sumCells + dropCells + portCells + sidCells + maximumAdjacencies

    /// Cells in `region`, behind the first cache line, which is the burst clock's.
    init(_ region: borrowing Region, maximumFlows: Int) {
        var offset = 64
        func take(_ count: Int) -> Int {
            defer { offset += 8 * count }
            return offset
        }
        sums = Cells(region, byteOffset: take(Self.sumCells), count: Self.sumCells)
        drops = Cells(region, byteOffset: take(Self.dropCells), count: Self.dropCells)
        ports = Cells(region, byteOffset: take(Self.portCells), count: Self.portCells)
        sids = Cells(region, byteOffset: take(Self.sidCells), count: Self.sidCells)
        adjacencies = Cells(region, byteOffset: take(Self.maximumAdjacencies), count: Self.maximumAdjacencies)
        let flows = Self.flowCells * maximumFlows
        ingress = Cells(region, byteOffset: take(flows), count: flows)
        egress = Cells(region, byteOffset: take(flows), count: flows)
    }

    @inline(__always)
    func add(_ amount: UInt64, to sum: Sum) { sums.add(amount, to: sum.rawValue) }

    @inline(__always)
    func add(_ amount: UInt64, to sum: PortSum, of port: Int) { ports.add(amount, to: 4 &* port &+ sum.rawValue) }

    /// The counters of a flow as they stand.
    func snapshot(of flow: UInt32, in cells: Cells) -> CounterSnapshot {
        let first = Int(flow) * Self.flowCells
        func count(_ color: Int) -> PacketCount {
            PacketCount(packets: cells.load(first + color), octets: cells.load(first + 3 + color))
        }
        return CounterSnapshot(a: count(0), b: count(1), uncolored: count(2))
    }
}

/// Step 5, and step 1 for what arrives: counting per flow and color.
enum Count {
    /// Hashes the flow key of an IPv6 packet that arrived, and fetches its place in the table.
    @inline(__always)
    static func prepareArrival(_ frame: borrowing MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy)
    {
        guard packet.isIPv6, packet.routingHeader != .invalid, packet.verdict != .drop else { return }
        packet.flowHash = tables.ingressFlows.hash(key(frame, packet))
        tables.ingressFlows.prefetch(packet.flowHash)
    }

    /// Counts an IPv6 packet that arrived, when its flow is monitored.
    @inline(__always)
    static func countArrival(
        _ frame: borrowing MutableRawSpan, _ packet: Packet, _ tables: borrowing TableCopy, _ scheme: Mark.Scheme,
        _ counters: Counters
    ) {
        guard packet.isIPv6, packet.routingHeader != .invalid, packet.verdict != .drop else { return }
        let flow = tables.ingressFlows.lookup(key(frame, packet), hash: packet.flowHash)
        guard flow != FlowTable.none else { return }
        let color = scheme.index(of: packet.trafficClass)
        count(flow, color: color, octets: UInt64(truncatingIfNeeded: packet.ipLength), counters.ingress)
    }

    /// Counts a packet of a monitored policy that is on its way out.
    @inline(__always)
    static func countDeparture(_ packet: Packet, _ scheme: Mark.Scheme, _ counters: Counters) {
        guard packet.flow != PolicyEntry.unmonitored, packet.verdict == .transmit else { return }
        let octets = UInt64(truncatingIfNeeded: Int(packet.length) &- EthernetView.byteCount)
        count(packet.flow, color: scheme.active == .a ? 0 : 1, octets: octets, counters.egress)
    }

    /// Notes that a packet was sent by its adjacency.
    @inline(__always)
    static func countUse(_ packet: Packet, _ counters: Counters) {
        guard packet.verdict == .transmit, packet.adjacency < UInt32(Counters.maximumAdjacencies) else { return }
        counters.adjacencies.add(1, to: Int(packet.adjacency))
    }

    /// Counts a packet for the local SID that processed it.
    ///
    /// *RFC*: 8986 section 6: packets that matched the SID and were processed successfully.
    @inline(__always)
    static func countSID(_ packet: Packet, _ counters: Counters) {
        counters.sids.add(1, to: 2 &* Int(packet.sid))
        counters.sids.add(UInt64(truncatingIfNeeded: packet.ipLength), to: 2 &* Int(packet.sid) &+ 1)
    }

    @inline(__always)
    private static func count(_ flow: UInt32, color: Int, octets: UInt64, _ cells: Cells) {
        let first = Int(flow) &* Counters.flowCells &+ color
        cells.add(1, to: first)
        cells.add(octets, to: first &+ 3)
    }

    /// The segment list, or the destination address where there is no SRH.
    @inline(__always) @_lifetime(borrow frame)
    private static func key(_ frame: borrowing MutableRawSpan, _ packet: Packet) -> RawSpan {
        guard packet.routingHeader == .valid else {
            let destination = packet.network &+ 24
            return frame.bytes.extracting(destination..<destination &+ 16)
        }
        let list = packet.network &+ Int(packet.routingOffset) &+ SRHView.fixedByteCount
        let segments = Int(frame.bytes.u8(at: list &- 4)) &+ 1
        return frame.bytes.extracting(list..<list &+ 16 &* segments)
    }
}
