// SPDX-License-Identifier: Apache-2.0
import Wire

/// Exact match of an IPv6 address, with a tag beside it, to a 32-bit value: local SIDs, and neighbors by port.
///
/// Open addressing with linear probing and no tombstones; at most three quarters full.
/// *Cost*: a lookup touches one or two cache lines; a change the same, and a doubling of the table now and then.
struct AddressTable: ~Copyable {
    /// The value of an address that is not in the table.
    static let none: UInt32 = 0

    struct Entry: BitwiseCopyable {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var tag: UInt32 = 0
        /// ``none`` marks an empty place.
        var value: UInt32 = AddressTable.none
        var padding: UInt64 = 0
    }

    private var entries = Slab<Entry>(repeating: Entry(), count: 64)
    private(set) var count = 0
    /// Secret of the hash, so that a sender cannot choose addresses that collide.
    private let seed: UInt64

    init(seed: UInt64) { self.seed = seed }

    @inline(__always)
    private func home(_ address: IPv6Address, _ tag: UInt32) -> Int {
        let mixed = Hash.mix(address.high ^ seed, address.low ^ Hash.prime ^ UInt64(tag))
        return Int(truncatingIfNeeded: mixed & UInt64(truncatingIfNeeded: entries.count &- 1))
    }

    @inline(__always)
    func prefetch(_ address: IPv6Address, tag: UInt32) { entries.prefetch(home(address, tag)) }

    /// The value of an address, or ``none``.
    @inline(__always)
    func lookup(_ address: IPv6Address, tag: UInt32) -> UInt32 {
        if count == 0 { return Self.none }
        var index = home(address, tag)
        while true {
            let entry = entries[index]
            if entry.value == Self.none { return Self.none }
            if entry.low == address.low && entry.high == address.high && entry.tag == tag { return entry.value }
            index = (index &+ 1) & (entries.count &- 1)
        }
    }

    /// Puts a value at an address, in place of what was there. *Requires*: `value` not ``none``.
    mutating func set(_ address: IPv6Address, tag: UInt32, value: UInt32) {
        precondition(value != Self.none, "the value stands for no match")
        if (count + 1) * 4 > entries.count * 3 { rebuild(entries.count * 2) }
        var index = home(address, tag)
        while entries[index].value != Self.none {
            if entries[index].low == address.low && entries[index].high == address.high && entries[index].tag == tag {
                entries[index].value = value
                return
            }
            index = (index + 1) & (entries.count - 1)
        }
        entries[index] = Entry(high: address.high, low: address.low, tag: tag, value: value)
        count += 1
    }

    /// Takes an address out, when it is there.
    mutating func remove(_ address: IPv6Address, tag: UInt32) {
        var hole = home(address, tag)
        while true {
            let entry = entries[hole]
            if entry.value == Self.none { return }
            if entry.low == address.low && entry.high == address.high && entry.tag == tag { break }
            hole = (hole + 1) & (entries.count - 1)
        }
        count -= 1
        // Entries behind the hole that could not have their home move up, so that no probe ends early.
        let mask = entries.count - 1
        var index = (hole + 1) & mask
        while entries[index].value != Self.none {
            let wanted = home(IPv6Address(high: entries[index].high, low: entries[index].low), entries[index].tag)
            if (index - wanted) & mask >= (index - hole) & mask {
                entries[hole] = entries[index]
                hole = index
            }
            index = (index + 1) & mask
        }
        entries[hole] = Entry()
    }

    private mutating func rebuild(_ size: Int) {
        var old = Slab(repeating: Entry(), count: size)
        swap(&old, &entries)
        count = 0
        for index in 0..<old.count where old[index].value != Self.none {
            set(
                IPv6Address(high: old[index].high, low: old[index].low), tag: old[index].tag, value: old[index].value)
        }
    }
}

/// Hashing of addresses: a multiplication whose halves are folded.
enum Hash {
    static let prime: UInt64 = 0x9e37_79b9_7f4a_7c15

    @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = (a ^ 0xa076_1d64_78bd_642f).multipliedFullWidth(by: b ^ 0xe703_7ed1_a0b4_28db)
        return product.high ^ product.low
    }
}
