// SPDX-License-Identifier: Apache-2.0
import CXDP

// The four rings of an AF_XDP socket: single producer, single consumer, in memory shared with the kernel
// (or with a memory port, which stands where the kernel stands).
//
// Memory order: the producer writes entries, then releases its index; the consumer acquires that index before it reads
// them. The other way about for freed places.

/// A ring that the worker fills: fill (frame addresses) or transmit (descriptors).
@safe
struct ProducerRing<Element: BitwiseCopyable>: ~Copyable {
    private let producer: UnsafeMutablePointer<UInt32>
    private let consumer: UnsafeMutablePointer<UInt32>
    private let flags: UnsafeMutablePointer<UInt32>
    private let entries: UnsafeMutablePointer<Element>
    private let mask: UInt32
    /// Next place to write; runs freely and wraps.
    private var next: UInt32
    /// The consumer's index when last looked at.
    private var consumed: UInt32

    init(_ ring: xsk_ring_prod) {
        unsafe producer = ring.producer
        unsafe consumer = ring.consumer
        unsafe flags = ring.flags
        unsafe entries = ring.ring.assumingMemoryBound(to: Element.self)
        mask = unsafe ring.mask
        next = unsafe cxdp_load_relaxed_u32(ring.producer)
        consumed = unsafe cxdp_load_acquire_u32(ring.consumer)
    }

    /// Places that can be written now, at least `wanted` if that many are free.
    @inline(__always)
    mutating func free(_ wanted: Int) -> Int {
        let size = mask &+ 1
        if Int(size &- (next &- consumed)) < wanted {
            // Acquire: the consumer has read what it gives back. Partner: its releasing store.
            consumed = unsafe cxdp_load_acquire_u32(consumer)
        }
        return Int(size &- (next &- consumed))
    }

    /// Writes the next entry. *Requires*: `free` said that there is room.
    @inline(__always)
    mutating func push(_ element: Element) {
        unsafe entries[Int(next & mask)] = element
        next &+= 1
    }

    /// Shows the consumer everything that was pushed.
    @inline(__always)
    func submit() {
        // Release: the entries come first. Partner: the consumer's acquiring load.
        unsafe cxdp_store_release_u32(producer, next)
    }

    /// Whether the kernel sleeps until it is called.
    @inline(__always)
    var needsWakeup: Bool { unsafe cxdp_load_relaxed_u32(flags) & UInt32(XDP_RING_NEED_WAKEUP) != 0 }
}

/// A ring that the worker empties: receive (descriptors) or completion (frame addresses).
@safe
struct ConsumerRing<Element: BitwiseCopyable>: ~Copyable {
    private let producer: UnsafeMutablePointer<UInt32>
    private let consumer: UnsafeMutablePointer<UInt32>
    private let entries: UnsafeMutablePointer<Element>
    private let mask: UInt32
    private var next: UInt32
    private var produced: UInt32

    init(_ ring: xsk_ring_cons) {
        unsafe producer = ring.producer
        unsafe consumer = ring.consumer
        unsafe entries = ring.ring.assumingMemoryBound(to: Element.self)
        mask = unsafe ring.mask
        next = unsafe cxdp_load_relaxed_u32(ring.consumer)
        produced = next
    }

    /// Entries that can be read now, at most `most`.
    @inline(__always)
    mutating func peek(_ most: Int) -> Int {
        if produced == next {
            // Acquire: entries before the index. Partner: the producer's releasing store.
            produced = unsafe cxdp_load_acquire_u32(producer)
        }
        return min(Int(produced &- next), most)
    }

    /// Reads the next entry. *Requires*: `peek` said that there is one.
    @inline(__always)
    mutating func pop() -> Element {
        defer { next &+= 1 }
        return unsafe entries[Int(next & mask)]
    }

    /// Gives the producer back everything that was popped.
    @inline(__always)
    func release() {
        // Release: the entries have been read. Partner: the producer's acquiring load.
        unsafe cxdp_store_release_u32(consumer, next)
    }
}
