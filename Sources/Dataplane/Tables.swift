// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// What a route, or one behavior's second lookup, leads to: the value of a FIB's prefix.
///
/// *Layout*: 32 bits, the kind in the upper four, the object in the rest. Zero is a lookup without a match.
struct ForwardingEntry: BitwiseCopyable, Hashable {
    enum Kind: UInt32, BitwiseCopyable {
        /// The kernel handles it: local addresses, unknown encapsulations, interfaces that are not ports.
        case kernel
        /// Send by the adjacency `object`.
        case gateway
        /// The destination is a neighbor on the port `object`.
        case connected
        /// Encapsulate by the policy `object`, then look up its first segment.
        case encapsulate
        /// The destination is the local SID `object`.
        case localSID
        /// Drop.
        case blackhole
    }

    /// Objects of one kind.
    static let objectLimit = 1 << 28

    let value: UInt32

    /// *Requires*: an object below ``objectLimit``.
    init(kind: Kind, object: UInt32) {
        precondition(object < UInt32(Self.objectLimit), "the object does not fit into a forwarding entry")
        value = kind.rawValue << 28 | object
    }

    /// An entry as it was found in a table.
    @inline(__always)
    init(value: UInt32) { self.value = value }

    /// A route that is the kernel's, to be told from no route.
    static let kernel = ForwardingEntry(kind: .kernel, object: 1)

    @inline(__always) var kind: Kind { Kind(rawValue: value >> 28) ?? .kernel }
    @inline(__always) var object: UInt32 { value & 0x0fff_ffff }
}

/// A neighbor as the packet path needs it: the Ethernet header to write and the port to leave by.
struct Adjacency: BitwiseCopyable, Hashable {
    var destination: MACAddress
    var source: MACAddress
    /// Largest IP packet that the port sends.
    var mtu: UInt32
    var port: UInt16
    /// False until the kernel knows the neighbor's address; then packets go to the kernel, which resolves it.
    var isResolved: Bool

    static let unresolved = Adjacency(
        destination: MACAddress(0), source: MACAddress(0), mtu: 0, port: 0, isResolved: false)
}

/// A policy as the headend applies it. Its template, outer IPv6 header and SRH as they go onto the wire, lies in
/// `TableCopy.templates`.
struct PolicyEntry: BitwiseCopyable, Hashable {
    /// Place of the template, in octets.
    var template: UInt32
    /// Octets of the template, 40 to 304.
    var byteCount: UInt16
    /// Hop limit of the outer header around an IPv4 packet, as it leaves.
    var hopLimit4: UInt8
    /// Where the protocol of the inner packet stands in the template: 6 without an SRH, 40 with one.
    var nextHeaderOffset: UInt8
    /// Index of the flow's egress counters, or ``unmonitored``.
    var flow: UInt32
    var firstSegment: IPv6Address

    static let unmonitored: UInt32 = .max
}

/// A local SID as the packet path executes it.
struct SIDEntry: BitwiseCopyable, Hashable {
    enum Action: UInt8, BitwiseCopyable {
        case kernel, end, endX, decapsulateTable6, decapsulateCross6, decapsulateCross4
    }

    var action: Action
    /// FIB slot of the second lookup.
    var table: UInt16
    /// The next hop in place of the packet's own destination, where the behavior names one.
    var nextHop: FIBKey
    var hasNextHop: Bool
    /// Index of its counters.
    var counter: UInt32
}

/// What the outer flow label is made of (`net.ipv6.seg6_flowlabel`).
enum FlowLabelMode: UInt8, BitwiseCopyable {
    case zero, copy, hash
}

/// One of the two copies of everything that the workers look up.
///
/// A worker reads the copy that ``Tables`` shows it, between two burst boundaries; the writer changes the other one.
struct TableCopy: ~Copyable {
    var fib = FIB()
    /// Slots 0 of the FIB: the main table with the local one, IPv6 and IPv4.
    static let main6 = 0
    static let main4 = 1

    var localSIDs: AddressTable
    /// Neighbors by port: value is the adjacency's index plus 1.
    var neighbors: AddressTable
    var ingressFlows: FlowTable
    var adjacencies = Slab<Adjacency>()
    var policies = Slab<PolicyEntry>()
    var sids = Slab<SIDEntry>()
    var templates = Slab<UInt8>()
    /// Whether main-table lookups decide; false while rules select other tables: then the kernel forwards.
    var forwards6 = true
    var forwards4 = true
    var flowLabel = FlowLabelMode.copy

    init(seed: UInt64) {
        localSIDs = AddressTable(seed: seed)
        neighbors = AddressTable(seed: seed &+ 1)
        ingressFlows = FlowTable(seed: seed &+ 2)
        let six = fib.addTable()
        let four = fib.addTable()
        precondition(six == Self.main6 && four == Self.main4, "the main tables come first")
    }

    /// Makes one change. Applied to both copies in the same order, so that indices mean the same in both.
    mutating func apply(_ change: TableChange) {
        switch change {
        case .addTable(let slot):
            let added = fib.addTable()
            precondition(added == slot, "table slots are given out in order")
        case .route(let slot, let key, let length, let entry):
            fib.set(key, length: length, table: slot, value: entry.value)
        case .routeRemoved(let slot, let key, let length): fib.remove(key, length: length, table: slot)
        case .adjacency(let index, let adjacency):
            adjacencies.grow(to: index + 1, repeating: .unresolved)
            adjacencies[index] = adjacency
        case .neighbor(let address, let port, let adjacency): neighbors.set(address, tag: port, value: adjacency + 1)
        case .neighborRemoved(let address, let port): neighbors.remove(address, tag: port)
        case .policy(let index, let entry, let template):
            templates.grow(to: Int(entry.template) + template.count, repeating: 0)
            for (offset, octet) in template.enumerated() { templates[Int(entry.template) + offset] = octet }
            policies.grow(to: index + 1, repeating: entry)
            policies[index] = entry
        case .sid(let index, let entry):
            sids.grow(to: index + 1, repeating: entry)
            sids[index] = entry
        case .localSID(let address, let entry): localSIDs.set(address, tag: 0, value: entry.value)
        case .localSIDRemoved(let address): localSIDs.remove(address, tag: 0)
        case .ingressFlow(let segments, let counter): ingressFlows.insert(segments, value: counter)
        case .ingressFlowRemoved(let segments): ingressFlows.remove(segments)
        case .forwarding(let ipv6, let ipv4):
            forwards6 = ipv6
            forwards4 = ipv4
        case .flowLabel(let mode): flowLabel = mode
        }
    }
}

/// One change of the tables, with every index decided.
enum TableChange {
    case addTable(slot: Int)
    case route(slot: Int, key: FIBKey, length: Int, entry: ForwardingEntry)
    case routeRemoved(slot: Int, key: FIBKey, length: Int)
    case adjacency(index: Int, Adjacency)
    case neighbor(IPv6Address, port: UInt32, adjacency: UInt32)
    case neighborRemoved(IPv6Address, port: UInt32)
    case policy(index: Int, PolicyEntry, template: [UInt8])
    case sid(index: Int, SIDEntry)
    /// A /128 SID of the main table.
    case localSID(IPv6Address, entry: ForwardingEntry)
    case localSIDRemoved(IPv6Address)
    /// Segments in wire order.
    case ingressFlow(segments: [SID], counter: UInt32)
    case ingressFlowRemoved(segments: [SID])
    case forwarding(ipv6: Bool, ipv4: Bool)
    case flowLabel(FlowLabelMode)
}

/// The two copies, and which one the workers read (left-right).
///
/// The writer changes the idle copy, shows it, waits until every worker has left the old one, and makes the same
/// changes there. A worker pays one store and one load for a burst.
///
/// *Memory order*: a worker announces the burst (`BurstClock.enter`) before it loads the pointer, the writer stores the
/// pointer before it looks at the announcements; all four are sequentially consistent, so that one of the two sees
/// the other. The worker's end of burst releases its reads to the writer, which acquires them.
@safe
struct Tables: ~Copyable {
    private let copies: UnsafeMutablePointer<TableCopy>
    /// Holds the index of the copy that is shown. control: rw, worker: ro
    private let shown: UnsafeMutablePointer<UInt64>

    init(seed: UInt64) {
        unsafe copies = .allocate(capacity: 2)
        unsafe (copies + 0).initialize(to: TableCopy(seed: seed))
        unsafe (copies + 1).initialize(to: TableCopy(seed: seed))
        unsafe shown = .allocate(capacity: 1)
        unsafe shown.initialize(to: 0)
    }

    deinit {
        unsafe copies.deinitialize(count: 2)
        unsafe copies.deallocate()
        unsafe shown.deallocate()
    }

    /// What a worker reads through.
    var reader: TableReader { unsafe TableReader(copies: copies, shown: shown) }

    /// Makes `changes` visible to all workers, on both copies.
    ///
    /// - Parameter clocks: burst clocks of the workers that run.
    /// *Cost*: the changes twice, and the longest burst of a worker.
    func apply(_ changes: [TableChange], waitingFor clocks: [BurstClock]) {
        let old = unsafe Int(cxdp_load_relaxed_u64(shown))
        let new = 1 - old
        for change in changes { unsafe copies[new].apply(change) }
        unsafe cxdp_store_seqcst_u64(shown, UInt64(new))
        for clock in clocks { clock.waitForBoundary() }
        for change in changes { unsafe copies[old].apply(change) }
    }
}

/// A worker's way to the tables. The worker ends before ``Tables`` does.
@safe
struct TableReader: BitwiseCopyable, @unchecked Sendable {
    fileprivate let copies: UnsafeMutablePointer<TableCopy>
    fileprivate let shown: UnsafeMutablePointer<UInt64>

    /// The copy to read until the end of the burst. *Requires*: `BurstClock.enter` came before.
    @inline(__always)
    func current() -> UnsafePointer<TableCopy> {
        unsafe UnsafePointer(copies + Int(truncatingIfNeeded: cxdp_load_seqcst_u64(shown) & 1))
    }
}

/// A worker's announcement of its bursts: odd inside one, even outside.
@safe
struct BurstClock: BitwiseCopyable, @unchecked Sendable {
    private let cell: UnsafeMutablePointer<UInt64>

    /// - Parameter region: lives longer than the clock; its first eight octets are the clock's.
    init(_ region: borrowing Region) {
        unsafe cell = region.base.bindMemory(to: UInt64.self, capacity: 1)
    }

    /// Before the tables are read. Partner: `waitForBoundary`.
    @inline(__always)
    func enter() { unsafe cxdp_store_seqcst_u64(cell, cell.pointee &+ 1) }

    /// After the last read of the burst. Partner: the acquiring load in `waitForBoundary`.
    @inline(__always)
    func leave() { unsafe cxdp_store_release_u64(cell, cell.pointee &+ 1) }

    /// Returns when the worker is outside a burst, or in another than at the call.
    ///
    /// Sleeps between looks: a caller of higher priority on the worker's core would otherwise wait for what it
    /// keeps from running.
    func waitForBoundary() {
        let seen = unsafe cxdp_load_seqcst_u64(cell)
        guard seen & 1 == 1 else { return }
        var pause = timespec(tv_sec: 0, tv_nsec: 20_000)
        while unsafe cxdp_load_acquire_u64(cell) == seen { unsafe nanosleep(&pause, nil) }
    }
}
