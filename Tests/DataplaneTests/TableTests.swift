// SPDX-License-Identifier: Apache-2.0
import Bench
import SRv6
import Testing
import Wire

@testable import Dataplane

@Suite("Tables")
struct TableTests {
    /// The slowest way to find the longest match, to compare with.
    struct Model {
        var prefixes: [Int: [FIBKey: UInt32]] = [:]

        func lookup(_ key: FIBKey) -> UInt32 {
            for length in prefixes.keys.sorted(by: >) {
                if let value = prefixes[length]?[Self.masked(key, length)] { return value }
            }
            return FIB.none
        }

        static func masked(_ key: FIBKey, _ length: Int) -> FIBKey {
            FIBKey(IPv6Address(high: key.high, low: key.low).masked(to: length))
        }
    }

    @Test("longest match equals a linear search, while prefixes come and go", arguments: [UInt64(1), 2, 3])
    func fib(_ seed: UInt64) {
        var random = SplitMix(seed: seed)
        var fib = FIB()
        let slot = fib.addTable()
        let other = fib.addTable()
        var model = Model()
        // Few different bits, so that prefixes nest and share nodes.
        func key() -> FIBKey {
            let mask = UInt64(0xf0c3_8001_0000_8421)
            return FIBKey(IPv6Address(high: random.next() & mask, low: random.next() & mask))
        }
        for step in 0..<6000 {
            let length = Int(random.next() % 129)
            let prefix = Model.masked(key(), length)
            if random.next() % 3 == 0 {
                let removed = fib.remove(prefix, length: length, table: slot)
                #expect(removed == (model.prefixes[length]?.removeValue(forKey: prefix) != nil))
            } else {
                let value = UInt32(truncatingIfNeeded: step + 1)
                fib.set(prefix, length: length, table: slot, value: value)
                model.prefixes[length, default: [:]][prefix] = value
            }
            let probe = key()
            let found = fib.lookup(probe, table: slot)
            #expect(found == model.lookup(probe))
            let elsewhere = fib.lookup(probe, table: other)
            #expect(elsewhere == FIB.none)
        }
        for (length, prefixes) in model.prefixes {
            for prefix in prefixes.keys {
                let removed = fib.remove(prefix, length: length, table: slot)
                #expect(removed)
            }
        }
        let left = fib.lookup(key(), table: slot)
        #expect(left == FIB.none)
    }

    @Test("freed nodes and results are used again")
    func fibReuse() {
        var fib = FIB()
        let slot = fib.addTable()
        var random = SplitMix(seed: 7)
        let prefixes = (0..<1000).map { _ in FIBKey(IPv6Address(high: random.next(), low: 0)) }
        var sizes: [Int] = []
        for _ in 0..<5 {
            for prefix in prefixes { fib.set(Model.masked(prefix, 48), length: 48, table: slot, value: 1) }
            sizes.append(fib.byteCount)
            for prefix in prefixes { fib.remove(Model.masked(prefix, 48), length: 48, table: slot) }
        }
        #expect(sizes[1...].allSatisfy { $0 == sizes[1] }, "\(sizes)")
    }

    @Test("the address table equals a dictionary, while addresses come and go")
    func addresses() {
        var random = SplitMix(seed: 11)
        var table = AddressTable(seed: 42)
        var model: [IPv6Address: UInt32] = [:]
        for step in 1...20000 {
            let address = IPv6Address(high: random.next() % 3, low: random.next() % 700)
            if random.next() % 2 == 0 {
                table.set(address, tag: 5, value: UInt32(step))
                model[address] = UInt32(step)
            } else {
                table.remove(address, tag: 5)
                model[address] = nil
            }
            let probe = IPv6Address(high: random.next() % 3, low: random.next() % 700)
            let found = table.lookup(probe, tag: 5)
            #expect(found == model[probe] ?? AddressTable.none)
            let untagged = table.lookup(probe, tag: 6)
            #expect(untagged == AddressTable.none)
        }
        let count = table.count
        #expect(count == model.count)
    }

    @Test("the flow table equals a dictionary, while lists of all lengths come and go")
    func flows() {
        var random = SplitMix(seed: 13)
        var table = FlowTable(seed: 42)
        var model: [[SID]: UInt32] = [:]
        func some() -> [SID] {
            (0..<Int(random.next() % 16) + 1).map { _ in IPv6Address(high: 0, low: random.next() % 2) }
        }
        func octets(_ list: [SID]) -> [UInt8] {
            var octets = [UInt8](repeating: 0, count: 16 * list.count)
            var span = octets.mutableSpan
            var buffer = unsafe span.mutableBytes
            for (index, sid) in list.enumerated() { buffer.setIPv6Address(sid, at: 16 * index) }
            return octets
        }
        func lookup(_ list: [SID]) -> UInt32 {
            let wire = octets(list)
            let hash = unsafe table.hash(wire.span.bytes)
            return unsafe table.lookup(wire.span.bytes, hash: hash)
        }
        for step in 0..<10000 {
            let list = some()
            if model[list] == nil {
                table.insert(list, value: UInt32(step))
                model[list] = UInt32(step)
            } else if random.next() % 2 == 0 {
                table.remove(list)
                model[list] = nil
            }
            let probe = some()
            #expect(lookup(probe) == model[probe] ?? FlowTable.none)
        }
        for (list, value) in model { #expect(lookup(list) == value) }
        let count = table.count
        #expect(count == model.count)
    }

    @Test("both copies of the tables see every change", arguments: 0..<4)
    func leftRight(_ rounds: Int) throws {
        let scene = try Scene()
        // An odd and an even number of updates show either copy.
        for _ in 0..<rounds { scene.dataplane.apply([.tunnelSource(v6("fcff:1::\(rounds)"))]) }
        scene.dataplane.apply(
            try NetworkScript(
                "link p0 mac 02:00:00:00:01:01\nlink p1 mac 02:00:00:00:02:01\nroute fd00:8::/64 via fcf0:2::2 dev p1"
            ).changes)
        _ = try scene.forwarded(customer6())
    }

    @Test("a token bucket gives its rate, and no more than a tenth of a second at once")
    func bucket() {
        var bucket = TokenBucket(rate: 1000)
        var taken = 0
        for millisecond in 1...2000 as ClosedRange<UInt64> {
            bucket.fill(now: millisecond * 1_000_000)
            while bucket.take() { taken += 1 }
        }
        #expect(taken == 100 + 1999)
    }
}
