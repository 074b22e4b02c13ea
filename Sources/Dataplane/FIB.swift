// SPDX-License-Identifier: Apache-2.0
import Wire

/// A 128-bit lookup key, most significant bit first; an IPv4 address stands in its top 32 bits.
struct FIBKey: BitwiseCopyable, Hashable {
    var high: UInt64
    var low: UInt64

    @inline(__always) init(_ address: IPv6Address) {
        high = address.high
        low = address.low
    }

    @inline(__always) init(_ address: IPv4Address) {
        high = UInt64(address.value) << 32
        low = 0
    }

    init(_ address: IPAddress) {
        switch address {
        case .v4(let v4): self.init(v4)
        case .v6(let v6): self.init(v6)
        }
    }

    /// The six bits from bit `offset` on, counted from the top; zeros behind the end.
    @inline(__always) func chunk(at offset: Int) -> Int {
        var shifted = self
        if offset >= 64 {
            shifted.high = low << UInt64(offset - 64)
        } else if offset > 0 {
            shifted.high = high << UInt64(offset) | low >> UInt64(64 - offset)
        }
        return Int(shifted.high >> 58)
    }
}

/// Longest-prefix match for any number of tables: a tree bitmap with steps of six bits.
///
/// A node covers six bits of the key. `prefixes` has a bit for every prefix that ends inside the node (lengths 0 to 5
/// within it), `children` a bit for every subtree. The results of a node, and its children, stand side by side, so
/// that the population count of the bits before tells the place.
///
/// *Cost*: a lookup visits at most one 32-octet node for every six bits of the longest prefix on the key's way,
/// whatever else the table holds; a change moves at most 63 results and 64 nodes on each of those levels.
struct FIB: ~Copyable {
    /// The value of a table without a match.
    static let none: UInt32 = 0

    struct Node: BitwiseCopyable {
        var prefixes: UInt64 = 0
        var children: UInt64 = 0
        var firstChild: UInt32 = 0
        var firstResult: UInt32 = 0
        var padding: UInt64 = 0
    }

    /// Bits of a node's six-bit step.
    private static let step = 6
    private static let emptyNode = Node()

    private var nodes = Slab<Node>()
    private var results = Slab<UInt32>()
    /// Bit *p* of entry *v* is set when the in-node prefix *p* covers the step value *v*.
    private var coverage = Slab<UInt64>(repeating: 0, count: 64)
    /// Blocks given back, by their size in nodes or results.
    private var freeNodes: [[UInt32]] = Array(repeating: [], count: 65)
    private var freeResults: [[UInt32]] = Array(repeating: [], count: 65)
    /// Root nodes of the tables, by slot.
    private var roots = Slab<UInt32>()

    init() {
        for value in 0..<64 {
            for length in 0..<Self.step {
                coverage[value] |= 1 << UInt64(Self.position(value >> (Self.step - length), length: length))
            }
        }
    }

    /// Octets that the table's nodes and results occupy.
    var byteCount: Int { nodes.count * MemoryLayout<Node>.stride + results.count * MemoryLayout<UInt32>.stride }

    /// Adds an empty table and returns its slot.
    mutating func addTable() -> Int {
        roots.append(allocateNodes(1))
        return roots.count - 1
    }

    private static func position(_ bits: Int, length: Int) -> Int { (1 << length) - 1 + bits }

    // MARK: Lookup

    /// The value of the longest prefix that covers `key`, or ``none``.
    @inline(__always)
    func lookup(_ key: FIBKey, table slot: Int) -> UInt32 {
        var index = Int(roots[slot])
        var high = key.high
        var low = key.low
        var best = -1
        while true {
            let value = Int(high >> 58)
            let node = nodes[index]
            let matching = node.prefixes & coverage[value]
            if matching != 0 {
                // Longer in-node prefixes have higher positions.
                let bit = UInt64(1) << UInt64(63 - matching.leadingZeroBitCount)
                best = Int(node.firstResult) &+ (node.prefixes & (bit &- 1)).nonzeroBitCount
            }
            let child = UInt64(1) << UInt64(value)
            guard node.children & child != 0 else { break }
            index = Int(node.firstChild) &+ (node.children & (child &- 1)).nonzeroBitCount
            high = high << 6 | low >> 58
            low <<= 6
        }
        return best < 0 ? Self.none : results[best]
    }

    // MARK: Change

    /// Puts `value` at a prefix, in place of what was there.
    ///
    /// *Requires*: `length` from 0 to 128, bits of `key` behind it zero, `value` not ``none``.
    mutating func set(_ key: FIBKey, length: Int, table slot: Int, value: UInt32) {
        precondition(value != Self.none, "the value stands for no match")
        var index = Int(roots[slot])
        var depth = 0
        while length - depth >= Self.step {
            index = child(of: index, at: key.chunk(at: depth))
            depth += Self.step
        }
        let position = Self.position(key.chunk(at: depth) >> (Self.step - (length - depth)), length: length - depth)
        let bit = UInt64(1) << UInt64(position)
        let before = (nodes[index].prefixes & (bit - 1)).nonzeroBitCount
        if nodes[index].prefixes & bit == 0 {
            let held = nodes[index].prefixes.nonzeroBitCount
            nodes[index].firstResult = resizeResults(
                Int(nodes[index].firstResult), from: held, to: held + 1, at: before)
            nodes[index].prefixes |= bit
        }
        results[Int(nodes[index].firstResult) + before] = value
    }

    /// Takes a prefix out. *Returns*: whether it was there.
    @discardableResult
    mutating func remove(_ key: FIBKey, length: Int, table slot: Int) -> Bool {
        var path: [(node: Int, value: Int)] = []
        var index = Int(roots[slot])
        var depth = 0
        while length - depth >= Self.step {
            let value = key.chunk(at: depth)
            let bit = UInt64(1) << UInt64(value)
            guard nodes[index].children & bit != 0 else { return false }
            path.append((index, value))
            index = Int(nodes[index].firstChild) + (nodes[index].children & (bit - 1)).nonzeroBitCount
            depth += Self.step
        }
        let position = Self.position(key.chunk(at: depth) >> (Self.step - (length - depth)), length: length - depth)
        let bit = UInt64(1) << UInt64(position)
        guard nodes[index].prefixes & bit != 0 else { return false }
        let held = nodes[index].prefixes.nonzeroBitCount
        let before = (nodes[index].prefixes & (bit - 1)).nonzeroBitCount
        nodes[index].firstResult = resizeResults(Int(nodes[index].firstResult), from: held, to: held - 1, at: before)
        nodes[index].prefixes &= ~bit
        // Nodes left with nothing are given back, from the bottom up.
        while let (parent, value) = path.popLast() {
            guard nodes[index].prefixes == 0, nodes[index].children == 0 else { break }
            removeChild(of: parent, at: value)
            index = parent
        }
        return true
    }

    /// The child of a node at a step value, made when it is not there.
    private mutating func child(of index: Int, at value: Int) -> Int {
        let bit = UInt64(1) << UInt64(value)
        let before = (nodes[index].children & (bit - 1)).nonzeroBitCount
        if nodes[index].children & bit == 0 {
            let held = nodes[index].children.nonzeroBitCount
            let old = Int(nodes[index].firstChild)
            let new = Int(allocateNodes(held + 1))
            for child in 0..<before { nodes[new + child] = nodes[old + child] }
            nodes[new + before] = Self.emptyNode
            for child in before..<held { nodes[new + child + 1] = nodes[old + child] }
            if held > 0 { freeNodes[held].append(UInt32(old)) }
            nodes[index].firstChild = UInt32(new)
            nodes[index].children |= bit
        }
        return Int(nodes[index].firstChild) + before
    }

    private mutating func removeChild(of index: Int, at value: Int) {
        let bit = UInt64(1) << UInt64(value)
        let held = nodes[index].children.nonzeroBitCount
        let before = (nodes[index].children & (bit - 1)).nonzeroBitCount
        let old = Int(nodes[index].firstChild)
        if held > 1 {
            let new = Int(allocateNodes(held - 1))
            for child in 0..<before { nodes[new + child] = nodes[old + child] }
            for child in before + 1..<held { nodes[new + child - 1] = nodes[old + child] }
            nodes[index].firstChild = UInt32(new)
        }
        freeNodes[held].append(UInt32(old))
        nodes[index].children &= ~bit
    }

    /// A block of `count` nodes; its first is empty, the others are to be written by the caller.
    private mutating func allocateNodes(_ count: Int) -> UInt32 {
        if let block = freeNodes[count].popLast() {
            nodes[Int(block)] = Self.emptyNode
            return block
        }
        let block = nodes.count
        nodes.grow(to: block + count, repeating: Self.emptyNode)
        return UInt32(block)
    }

    /// Moves a node's results to a block with one more or one less, leaving or closing the gap at `place`.
    private mutating func resizeResults(_ old: Int, from held: Int, to wanted: Int, at place: Int) -> UInt32 {
        guard wanted > 0 else {
            freeResults[held].append(UInt32(old))
            return 0
        }
        let new: Int
        if let block = freeResults[wanted].popLast() {
            new = Int(block)
        } else {
            new = results.count
            results.grow(to: new + wanted, repeating: Self.none)
        }
        for index in 0..<place { results[new + index] = results[old + index] }
        if wanted > held {
            for index in place..<held { results[new + index + 1] = results[old + index] }
        } else {
            for index in place + 1..<held { results[new + index - 1] = results[old + index] }
        }
        if held > 0 { freeResults[held].append(UInt32(old)) }
        return UInt32(new)
    }
}
