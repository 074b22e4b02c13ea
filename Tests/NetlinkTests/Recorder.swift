// SPDX-License-Identifier: Apache-2.0
import Netlink
import SRv6
import Synchronization
import Testing
import Wire

/// A consumer of a mirror: the state that the deliveries add up to.
final class Recorder: Sendable {
    struct State: Equatable {
        var links: [Int: Link] = [:]
        var addresses: Set<InterfaceAddress> = []
        var neighbors: [Neighbor.Key: Neighbor] = [:]
        var routes: [Route.Key: Route] = [:]
        var tunnelSource: IPv6Address?
        var isPolicyRouting: [Bool]?

        func link(_ name: String) -> Link? { links.values.first { $0.name == name } }

        /// Index of the link of a name, -1 when there is none.
        func index(_ name: String) -> Int { link(name)?.index ?? -1 }

        /// The routes to a prefix in a table, by metric, then link.
        func routes(_ prefix: String, table: UInt32 = Route.mainTable) -> [Route] {
            routes.values.filter { $0.key.prefix == IPPrefix(prefix) && $0.key.table == table }
                .sorted { ($0.key.metric, $0.key.linkIndex) < ($1.key.metric, $1.key.linkIndex) }
        }

        /// The only route to a prefix.
        func route(_ prefix: String, table: UInt32 = Route.mainTable) -> Route? {
            let found = routes(prefix, table: table)
            return found.count == 1 ? found[0] : nil
        }

        func neighbor(_ name: String, _ address: String) -> Neighbor? {
            IPAddress(address).flatMap { neighbors[Neighbor.Key(linkIndex: index(name), address: $0)] }
        }
    }

    private struct Record {
        var state = State()
        var batches: [[NetworkChange]] = []
        /// Changes that told nothing new.
        var duplicates: [NetworkChange] = []
    }

    private let record = Mutex(Record())

    var state: State { record.withLock { $0.state } }
    var batches: [[NetworkChange]] { record.withLock { $0.batches } }
    var duplicates: [NetworkChange] { record.withLock { $0.duplicates } }

    func take(_ changes: [NetworkChange]) {
        record.withLock { record in
            record.batches.append(changes)
            for change in changes {
                let before = record.state
                record.state.apply(change)
                if record.state == before { record.duplicates.append(change) }
            }
        }
    }

    /// Waits for the state to become `condition`.
    ///
    /// *Returns*: whether it did within the deadline.
    func reaches(_ condition: @Sendable (State) -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        while !condition(state) {
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: .milliseconds(5))
        }
        return true
    }
}

extension Recorder.State {
    mutating func apply(_ change: NetworkChange) {
        switch change {
        case .link(let link): links[link.index] = link
        case .linkRemoved(let index): links[index] = nil
        case .address(let address): addresses.insert(address)
        case .addressRemoved(let address): addresses.remove(address)
        case .neighbor(let neighbor): neighbors[neighbor.key] = neighbor
        case .neighborRemoved(let key): neighbors[key] = nil
        case .route(let route): routes[route.key] = route
        case .routeRemoved(let key): routes[key] = nil
        case .tunnelSource(let source): tunnelSource = source
        case .policyRouting(let ipv4, let ipv6): isPolicyRouting = [ipv4, ipv6]
        }
    }
}

/// A namespace, a mirror in it that follows, and what the mirror told.
struct Scene: Sendable {
    let namespace: Namespace
    let mirror: NetworkMirror
    let told = Recorder()

    init(receiveBufferByteCount: Int = 4 << 20, prepare: (Namespace) async throws -> Void = { try await $0.makePair() })
        async throws
    {
        namespace = try await Namespace()
        try await prepare(namespace)
        let told = self.told
        mirror = try await namespace.inside {
            let mirror = try NetworkMirror(receiveBufferByteCount: receiveBufferByteCount)
            try mirror.start { told.take($0) }
            return mirror
        }
    }

    /// What a fresh mirror is told.
    func truth() async throws -> Recorder.State {
        try await namespace.inside {
            let fresh = Recorder()
            let mirror = try NetworkMirror()
            try mirror.start { fresh.take($0) }
            mirror.stop()
            return fresh.state
        }
    }

    /// Runs commands, waits for `condition`, then for the state to be what a fresh mirror is told.
    func expect(
        after commands: String..., location: SourceLocation = #_sourceLocation,
        _ condition: @escaping @Sendable (Recorder.State) -> Bool
    ) async throws {
        if !commands.isEmpty { try await namespace.run(commands.joined(separator: " && ")) }
        let isReached = try await told.reaches(condition)
        #expect(isReached, "\(commands) led to \(told.batches.last ?? [])", sourceLocation: location)
        let differences = try await differencesFromTruth()
        #expect(differences == [], "\(commands)", sourceLocation: location)
        #expect(told.duplicates.isEmpty, sourceLocation: location)
    }

    /// What remains different from what a fresh mirror is told, after the time that changes may take.
    func differencesFromTruth() async throws -> [String] {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let differences = told.state.differences(from: try await truth())
            if differences.isEmpty || ContinuousClock.now > deadline { return differences }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

extension Recorder.State {
    /// Entries of the one state that are not in the other.
    ///
    /// Unresolved neighbors do not count: the kernel makes such entries without notice.
    func differences(from truth: Self) -> [String] {
        entries.subtracting(truth.entries).map { "only told: \($0)" }
            + truth.entries.subtracting(entries).map { "not told: \($0)" }
    }

    private var entries: Set<String> {
        var entries = Set(links.values.map { "\($0)" })
        entries.formUnion(addresses.map { "\($0)" })
        entries.formUnion(neighbors.values.filter { $0.mac != nil }.map { "\($0)" })
        entries.formUnion(routes.values.map { "\($0)" })
        entries.insert("tunnel source \(String(describing: tunnelSource))")
        entries.insert("policy routing \(String(describing: isPolicyRouting))")
        return entries
    }
}
