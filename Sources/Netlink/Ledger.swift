// SPDX-License-Identifier: Apache-2.0

/// What is held of one kind, and what of it the consumer has not been told yet.
///
/// However often a key is written between two calls of `takeChanges`, the consumer hears of it once, and not at all
/// when it ends as it began.
struct Ledger<Key: Hashable, Value: Equatable> {
    private(set) var held: [Key: Value] = [:]
    /// The value that the consumer knows, for every key written since it was told.
    private var told: [Key: Value?] = [:]

    subscript(key: Key) -> Value? {
        get { held[key] }
        set {
            if told[key] == nil { told.updateValue(held[key], forKey: key) }
            held[key] = newValue
        }
    }

    /// Makes `fresh` what is held.
    ///
    /// *Cost*: one lookup for each key held and each key of `fresh`; only keys that differ are written.
    mutating func replaceAll(with fresh: [Key: Value]) {
        for (key, value) in held where fresh[key] != value && told[key] == nil { told.updateValue(value, forKey: key) }
        for key in fresh.keys where held[key] == nil && told[key] == nil { told.updateValue(nil, forKey: key) }
        held = fresh
    }

    /// The differences since the last call.
    mutating func takeChanges() -> [(key: Key, old: Value?, new: Value?)] {
        defer { told.removeAll() }
        return told.compactMap { key, old in
            let new = held[key]
            return old == new ? nil : (key, old, new)
        }
    }
}
