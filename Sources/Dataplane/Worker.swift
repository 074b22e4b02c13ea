// SPDX-License-Identifier: Apache-2.0
import CXDP
import SRv6
import Wire

/// One thread's share of the engine: queue *k* of every port, frames, counters, and a way to the tables.
///
/// A packet's whole way is ``process(_:_:_:_:_:)``. The steps it calls stand in files of their own and never call one another.
/// Nothing here allocates, locks, logs, or touches a reference count.
struct Worker: ~Copyable {
    private var packets: Slab<Packet>
    private var exchange: Exchange
    private let tables: TableReader
    private let clock: BurstClock
    private let shared: SharedState

    init(exchange: consuming Exchange, burstSize: Int, tables: TableReader, clock: BurstClock, shared: SharedState) {
        self.exchange = exchange
        self.tables = tables
        self.clock = clock
        self.shared = shared
        packets = Slab(repeating: Packet(frame: 0, start: 0, length: 0, port: 0), count: burstSize)
    }

    /// Runs until the control side says stop.
    mutating func run() {
        while true {
            if turn() > 0 { continue }
            // What had arrived is on its way.
            if shared.isStopping { return }
            exchange.rest(shared)
        }
    }

    /// Takes one burst from every queue through its whole way. *Returns*: packets received.
    mutating func turn() -> Int {
        clock.enter()
        let scheme = shared.scheme
        var total = 0
        for queue in 0..<exchange.queueCount {
            let count = exchange.receive(queue, into: &packets)
            guard count > 0 else { continue }
            unsafe process(&packets, count, &exchange, tables.current().pointee, scheme)
            total &+= count
        }
        exchange.flush(received: total)
        clock.leave()
        return total
    }
}

/// A burst's way: parse, count what arrives, classify, find the way out, rewrite, mark, send, count what leaves.
/// A packet leaves the way at the step that punts or drops it.
private func process(
    _ packets: inout Slab<Packet>, _ count: Int, _ exchange: inout Exchange, _ tables: borrowing TableCopy,
    _ scheme: Mark.Scheme
) {
    for slot in 0..<count {
        let address = packets[slot].frame
        Parse.parse(exchange.frame(address), &packets[slot])
    }
    if tables.ingressFlows.count > 0 { countArrivals(&packets, count, exchange, tables, scheme) }
    for slot in 0..<count where packets[slot].verdict == .pending { Classify.prefetch(packets[slot], tables) }
    for slot in 0..<count where packets[slot].verdict == .pending { Classify.classify(&packets[slot], tables) }
    for slot in 0..<count where packets[slot].verdict == .pending {
        let address = packets[slot].frame
        prepare(exchange.frame(address), &packets[slot], tables)
    }
    for slot in 0..<count where packets[slot].verdict == .pending {
        let address = packets[slot].frame
        let port = rewrite(exchange.frame(address), &packets[slot], tables, scheme)
        exchange.transmit(&packets[slot], port: port)
        Count.countDeparture(packets[slot], scheme, exchange.counters)
        Count.countUse(packets[slot], exchange.counters)
    }
    for slot in 0..<count where packets[slot].isEncapsulatedFirst {
        let address = packets[slot].frame
        encapsulateForKernel(exchange.frame(address), &packets[slot], tables, scheme)
    }
    // Sent, handed to the kernel, or dropped and counted: every packet ends here.
    for slot in 0..<count { exchange.settle(&packets[slot]) }
}

/// The headend's work on a packet whose way out only the kernel can find, without a color.
private func encapsulateForKernel(
    _ octets: consuming MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy, _ scheme: Mark.Scheme
) {
    var frame = octets
    Headend.rewriteForKernel(&frame, &packet, tables)
    Mark.mark(&frame, packet, scheme)
}

/// Counts the burst's packets of flows that are monitored on arrival; fetches all the places first.
private func countArrivals(
    _ packets: inout Slab<Packet>, _ count: Int, _ exchange: borrowing Exchange, _ tables: borrowing TableCopy,
    _ scheme: Mark.Scheme
) {
    for slot in 0..<count {
        let address = packets[slot].frame
        Count.prepareArrival(exchange.frame(address), &packets[slot], tables)
    }
    for slot in 0..<count {
        let address = packets[slot].frame
        Count.countArrival(exchange.frame(address), packets[slot], tables, scheme, exchange.counters)
    }
}

/// The instruction's checks and the lookup of the way out. The packet is not touched: the kernel may still have to
/// take it as it came.
@inline(__always)
private func prepare(_ frame: borrowing MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy) {
    switch packet.action {
    case .forward6, .forward4: break
    case .encapsulate6, .encapsulate4: Headend.prepare(&packet, tables)
    case .end, .decapsulate6, .decapsulate4: Endpoint.prepare(frame, &packet, tables)
    }
    if packet.verdict == .pending, packet.adjacency == Packet.noAdjacency { Resolve.resolve(&packet, tables) }
    if packet.verdict == .pending { Forward.check(&packet, tables) }
}

/// The instruction itself, the mark, and the Ethernet header. *Returns*: the port to leave by.
@inline(__always)
private func rewrite(
    _ octets: consuming MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy, _ scheme: Mark.Scheme
) -> Int {
    var frame = octets
    switch packet.action {
    case .forward6, .forward4: Forward.rewrite(&frame, packet)
    case .encapsulate6, .encapsulate4:
        Headend.rewrite(&frame, &packet, tables)
        Mark.mark(&frame, packet, scheme)
    case .end, .decapsulate6, .decapsulate4: Endpoint.rewrite(&frame, &packet)
    }
    let adjacency = tables.adjacencies[Int(packet.adjacency)]
    Forward.address(&frame, packet, adjacency)
    return Int(adjacency.port)
}
