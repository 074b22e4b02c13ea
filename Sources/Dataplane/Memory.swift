// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6

// The memory that the packet path reads and writes: allocated by the control side, never by a worker, and reached
// through subscripts that check their bounds. No reference counts, no copies on write.

/// A growable array of trivial values outside Swift's heap.
///
/// Its owner may grow it only while no worker can reach it: the idle copy of the tables, or before the start.
@safe
struct Slab<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>
    private(set) var count: Int
    private var capacity: Int

    init(repeating value: Element, count: Int) {
        capacity = max(count, 1)
        unsafe base = .allocate(capacity: capacity)
        unsafe base.initialize(repeating: value, count: count)
        self.count = count
    }

    init() {
        capacity = 1
        unsafe base = .allocate(capacity: 1)
        count = 0
    }

    deinit { unsafe base.deallocate() }

    subscript(_ index: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "slab index out of range")
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "slab index out of range")
            return unsafe base + index
        }
    }

    /// Asks the processor to bring an element into its cache; any index is allowed.
    @inline(__always)
    func prefetch(_ index: Int) {
        unsafe cxdp_prefetch(base + index)
    }

    /// The octets of the elements, for example a template to be copied.
    @inline(__always)
    func withOctets<Result>(from index: Int, count taken: Int, _ body: (RawSpan) -> Result) -> Result {
        precondition(index >= 0 && taken >= 0 && taken <= count - index, "slab range out of bounds")
        return unsafe body(RawSpan(_unsafeStart: base + index, count: taken))
    }

    /// Makes room for elements up to `count`, the new ones equal to `value`.
    mutating func grow(to count: Int, repeating value: Element) {
        guard count > self.count else { return }
        if count > capacity {
            let wider = max(count, capacity * 2)
            let moved = UnsafeMutablePointer<Element>.allocate(capacity: wider)
            unsafe moved.update(from: base, count: self.count)
            unsafe base.deallocate()
            unsafe base = moved
            capacity = wider
        }
        unsafe (base + self.count).initialize(repeating: value, count: count - self.count)
        self.count = count
    }

    /// Appends one element. *Cost*: amortized constant.
    mutating func append(_ value: Element) { grow(to: count + 1, repeating: value) }
}

/// Pages from the kernel: zeroed, on one NUMA node, in hugepages where there are any; touched only when used.
@safe
struct Region: ~Copyable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    /// Whether the pages are 2 MiB each.
    let isHuge: Bool

    private static let hugePage = 2 << 20

    /// Maps at least `byteCount` octets.
    ///
    /// - Parameter node: NUMA node that the pages should come from, nil for the kernel's choice.
    /// *Throws*: when the kernel has no memory to map.
    init(byteCount wanted: Int, hugepages: Bool, node: Int? = nil) throws(SystemError) {
        let rounded = (wanted + Self.hugePage - 1) / Self.hugePage * Self.hugePage
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        var mapped = unsafe UnsafeMutableRawPointer(bitPattern: -1)
        if hugepages {
            unsafe mapped = mmap(nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0)
        }
        isHuge = unsafe mapped != MAP_FAILED
        if !isHuge {
            unsafe mapped = mmap(nil, rounded, PROT_READ | PROT_WRITE, flags, -1, 0)
        }
        guard unsafe mapped != MAP_FAILED, let mapped = unsafe mapped else {
            throw SystemError("map \(rounded) octets of memory", code: errno)
        }
        unsafe base = mapped
        byteCount = rounded
        if let node, numa_available() >= 0 { unsafe numa_tonode_memory(mapped, rounded, Int32(node)) }
    }

    deinit { unsafe munmap(base, byteCount) }
}

/// Counters of one writer, readable by others at any time: 64-bit cells, each loaded and stored whole.
///
/// The owner of the memory outlives every copy of this handle.
@safe
struct Cells: BitwiseCopyable {
    private let base: UnsafeMutablePointer<UInt64>
    let count: Int

    init(_ region: borrowing Region, byteOffset: Int = 0, count: Int) {
        precondition(
            byteOffset >= 0 && count >= 0 && byteOffset + 8 * count <= region.byteCount, "cells outside region")
        unsafe base = (region.base + byteOffset).bindMemory(to: UInt64.self, capacity: count)
        self.count = count
    }

    /// Adds to a cell. Only its one writer may do so: the sum is not atomic, the store is.
    @inline(__always)
    func add(_ amount: UInt64, to index: Int) {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "cell index out of range")
        unsafe cxdp_store_relaxed_u64(base + index, base[index] &+ amount)
    }

    /// The value of a cell, from any thread.
    @inline(__always)
    func load(_ index: Int) -> UInt64 {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "cell index out of range")
        return unsafe cxdp_load_relaxed_u64(base + index)
    }

    @inline(__always)
    func prefetch(_ index: Int) {
        unsafe cxdp_prefetch(base + index)
    }
}
