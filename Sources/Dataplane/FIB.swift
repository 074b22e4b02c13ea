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

    /// The 64 bits from bit `offset` on, counted from the top; zeros behind the end.
    func bits(from offset: Int) -> UInt64 {
        offset >= 64 ? low << UInt64(offset - 64) : high << UInt64(offset) | low >> UInt64(64 - offset)
    }

    /// The six bits from bit `offset` on.
    func chunk(at offset: Int) -> Int { Int(bits(from: offset) >> 58) }
}

/// Longest-prefix match for any number of tables: a tree bitmap with steps of six bits and compressed paths.
///
/// A node covers six bits of the key, behind up to ten steps that all keys below it share. `prefixes` has a bit for
/// every prefix that ends inside the node (lengths 0 to 5 within it), `children` a bit for every subtree. The results
/// of a node, and its children, stand side by side, so that the population count of the bits before tells the place.
///
/// *Cost*: a lookup visits one 32-octet node for every six bits in which prefixes on the key's way differ, at most 22,
/// whatever else the table holds; a change moves at most 63 results and 64 nodes on each of those levels.
struct FIB: ~Copyable {
    /// The value of a table without a match.
    static let none: UInt32 = 0

    struct Node: BitwiseCopyable {
        var prefixes: UInt64 = 0
        var children: UInt64 = 0
        /// Bits that every key below has in front of the node's six, from the top; how many steps, in the low four.
        var path: UInt64 = 0
        var firstChild: UInt32 = 0
        var firstResult: UInt32 = 0

        @inline(__always) var skipped: Int { Int(path & 0xf) }
    }

    /// Bits of a node's step.
    private static let step = 6
    /// Steps that a node's path can hold.
    private static let longestPath = 10
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
            let node = nodes[index]
            let skipped = node.path & 0xf
            if skipped != 0 {
                let bits = skipped &* 6
                if (high ^ node.path) >> (64 &- bits) != 0 { break }
                high = high << bits | low >> (64 &- bits)
                low <<= bits
            }
            let value = Int(high >> 58)
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
        while true {
            let shared = sharedSteps(key, depth, length, with: nodes[index])
            if shared < nodes[index].skipped { split(index, at: shared) }
            depth += Self.step * shared
            if length - depth < Self.step { break }
            index = child(of: index, at: key.chunk(at: depth), for: key, depth: depth + Self.step, length: length)
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
        var way: [(node: Int, value: Int)] = []
        var index = Int(roots[slot])
        var depth = 0
        while true {
            let shared = sharedSteps(key, depth, length, with: nodes[index])
            guard shared == nodes[index].skipped else { return false }
            depth += Self.step * shared
            if length - depth < Self.step { break }
            let value = key.chunk(at: depth)
            let bit = UInt64(1) << UInt64(value)
            guard nodes[index].children & bit != 0 else { return false }
            way.append((index, value))
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
        while let (parent, value) = way.popLast() {
            guard nodes[index].prefixes == 0, nodes[index].children == 0 else { break }
            removeChild(of: parent, at: value)
            index = parent
        }
        return true
    }

    /// Steps of a node's path that a prefix shares, counted from bit `depth` of the key on.
    private func sharedSteps(_ key: FIBKey, _ depth: Int, _ length: Int, with node: Node) -> Int {
        let most = min(node.skipped, (length - depth) / Self.step)
        var shared = 0
        while shared < most, key.chunk(at: depth + Self.step * shared) == Self.chunk(node.path, shared) { shared += 1 }
        return shared
    }

    /// The six bits of a path's step.
    private static func chunk(_ path: UInt64, _ step: Int) -> Int { Int((path << UInt64(6 * step)) >> 58) }

    /// The path of `count` steps that begins with the top bits of `bits`.
    private static func path(_ bits: UInt64, count: Int) -> UInt64 {
        count == 0 ? 0 : bits & ~0 << UInt64(64 - 6 * count) | UInt64(count)
    }

    /// Cuts a node's path after `kept` steps: what the node held goes into a child.
    private mutating func split(_ index: Int, at kept: Int) {
        var lower = nodes[index]
        let value = Self.chunk(lower.path, kept)
        let upper = Self.path(lower.path, count: kept)
        lower.path = Self.path(lower.path << UInt64(6 * (kept + 1)), count: lower.skipped - kept - 1)
        let block = Int(allocateNodes(1))
        nodes[block] = lower
        nodes[index] = Node(prefixes: 0, children: 1 << UInt64(value), path: upper, firstChild: UInt32(block))
    }

    /// The child of a node at a step value, made when it is not there.
    ///
    /// A new child's path is the rest of the prefix that it is made for, which goes on at bit `depth` of `key`.
    private mutating func child(of index: Int, at value: Int, for key: FIBKey, depth: Int, length: Int) -> Int {
        let bit = UInt64(1) << UInt64(value)
        let before = (nodes[index].children & (bit - 1)).nonzeroBitCount
        if nodes[index].children & bit == 0 {
            let held = nodes[index].children.nonzeroBitCount
            let old = Int(nodes[index].firstChild)
            let new = Int(allocateNodes(held + 1))
            for child in 0..<before { nodes[new + child] = nodes[old + child] }
            let steps = min((length - depth) / Self.step, Self.longestPath)
            nodes[new + before] = Node(path: Self.path(key.bits(from: depth), count: steps))
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
