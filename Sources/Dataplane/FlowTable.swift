// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Exact match of a segment list, in wire order, to a counter index.
///
/// A slot holds the list's hash and where its key lies; keys of one length lie in one arena of equal pieces.
/// *Cost*: a lookup hashes the list once, touches one slot, and compares the key it points to.
struct FlowTable: ~Copyable {
    /// The value of a list that is not in the table.
    static let none: UInt32 = .max

    struct Slot: BitwiseCopyable {
        var hash: UInt64 = 0
        /// Place of the key in `keys`, in segments.
        var key: UInt32 = 0
        var value: UInt32 = FlowTable.none
    }

    private var slots = Slab<Slot>(repeating: Slot(), count: 64)
    /// Segments of all keys, each as two words in host order.
    private var keys = Slab<IPv6Address>()
    private var freeKeys: [[UInt32]] = Array(repeating: [], count: SegmentList.maximumCount + 1)
    private(set) var count = 0
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    /// The hash of the segments in `octets`. The number of segments is part of it.
    @inline(__always)
    func hash(_ octets: RawSpan) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: octets.byteCount)
        var offset = 0
        while offset < octets.byteCount {
            hash = Hash.mix(hash ^ octets.u64(at: offset), octets.u64(at: offset &+ 8) ^ Hash.prime)
            offset &+= 16
        }
        return hash
    }

    @inline(__always)
    func prefetch(_ hash: UInt64) { slots.prefetch(place(hash)) }

    @inline(__always)
    private func place(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash & UInt64(truncatingIfNeeded: slots.count &- 1))
    }

    /// The value of the segments in `octets`, whose hash is `hash`, or ``none``.
    ///
    /// *Requires*: a whole number of segments.
    @inline(__always)
    func lookup(_ octets: RawSpan, hash: UInt64) -> UInt32 {
        var index = place(hash)
        while true {
            let slot = slots[index]
            if slot.value == Self.none { return Self.none }
            if slot.hash == hash && holds(slot.key, octets) { return slot.value }
            index = (index &+ 1) & (slots.count &- 1)
        }
    }

    @inline(__always)
    private func holds(_ key: UInt32, _ octets: RawSpan) -> Bool {
        var place = Int(key)
        var offset = 0
        while offset < octets.byteCount {
            // A list of another length with the same 64-bit hash may end the arena.
            guard place < keys.count, keys[place] == octets.ipv6Address(at: offset) else { return false }
            place &+= 1
            offset &+= 16
        }
        return true
    }

    /// Adds a list that is not there yet.
    ///
    /// *Requires*: 1 to 16 segments in `segments`, in wire order, the last of the path first.
    mutating func insert(_ segments: [SID], value: UInt32) {
        if (count + 1) * 4 > slots.count * 3 { rebuild(slots.count * 2) }
        let key: Int
        if let free = freeKeys[segments.count].popLast() {
            key = Int(free)
        } else {
            key = keys.count
            keys.grow(to: key + segments.count, repeating: .unspecified)
        }
        for (index, segment) in segments.enumerated() { keys[key + index] = segment }
        place(Slot(hash: hash(of: segments), key: UInt32(key), value: value))
        count += 1
    }

    /// Takes a list out. *Requires*: it is there.
    mutating func remove(_ segments: [SID]) {
        let wanted = hash(of: segments)
        let mask = slots.count - 1
        var hole = place(wanted)
        while slots[hole].hash != wanted || slots[hole].value == Self.none {
            precondition(slots[hole].value != Self.none, "the list is not in the table")
            hole = (hole + 1) & mask
        }
        freeKeys[segments.count].append(slots[hole].key)
        count -= 1
        var index = (hole + 1) & mask
        while slots[index].value != Self.none {
            if (index - place(slots[index].hash)) & mask >= (index - hole) & mask {
                slots[hole] = slots[index]
                hole = index
            }
            index = (index + 1) & mask
        }
        slots[hole] = Slot()
    }

    private func hash(of segments: [SID]) -> UInt64 {
        var hash = seed ^ UInt64(16 * segments.count)
        for segment in segments { hash = Hash.mix(hash ^ segment.high, segment.low ^ Hash.prime) }
        return hash
    }

    private mutating func place(_ slot: Slot) {
        var index = place(slot.hash)
        while slots[index].value != Self.none { index = (index + 1) & (slots.count - 1) }
        slots[index] = slot
    }

    private mutating func rebuild(_ size: Int) {
        var old = Slab(repeating: Slot(), count: size)
        swap(&old, &slots)
        for index in 0..<old.count where old[index].value != Self.none { place(old[index]) }
    }
}
