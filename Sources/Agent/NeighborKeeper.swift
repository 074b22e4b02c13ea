// SPDX-License-Identifier: Apache-2.0
import Dispatch
import SRv6
import Synchronization

/// Keeps the neighbors in use known to the kernel.
///
/// Packets that the engine sends do not pass the kernel's neighbor table, so its entries would grow stale and a
/// neighbor that changed its address, or is gone, would never be noticed.
final class NeighborKeeper: Sendable {
    /// Well below the time in which the kernel itself would look (`delay_first_probe_time`, 5 s, and its probes).
    private static let interval = DispatchTimeInterval.seconds(3)

    private let queue = DispatchQueue(label: "neighbors")
    private let isStopped = Atomic<Bool>(false)
    private let engine: any Engine
    private let network: any NetworkSource

    init(engine: any Engine, network: any NetworkSource) {
        self.engine = engine
        self.network = network
        schedule()
    }

    /// Returns when no refresh is under way.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        queue.sync {}
    }

    private func schedule() {
        queue.asyncAfter(deadline: .now() + Self.interval) { [weak self] in
            guard let self, !isStopped.load(ordering: .relaxed) else { return }
            for key in engine.neighborsInUse() { network.refresh(key) }
            schedule()
        }
    }
}
