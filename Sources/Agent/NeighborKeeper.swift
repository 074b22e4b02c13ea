// SPDX-License-Identifier: Apache-2.0
import Dispatch
import SRv6

/// Keeps the neighbors in use known to the kernel.
///
/// Packets that the engine sends do not pass the kernel's neighbor table, so its entries would grow stale and a
/// neighbor that changed its address, or is gone, would never be noticed.
final class NeighborKeeper: Sendable {
    /// Well below the time in which the kernel itself would look (`delay_first_probe_time`, 5 s, and its probes).
    private static let interval = DispatchTimeInterval.seconds(3)

    private let queue = DispatchQueue(label: "neighbors")
    private let timer: any DispatchSourceTimer

    init(engine: any Engine, network: any NetworkSource) {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + Self.interval, repeating: Self.interval)
        timer.setEventHandler { for key in engine.neighborsInUse() { network.refresh(key) } }
        timer.activate()
    }

    /// Returns when no refresh is under way.
    func stop() {
        timer.cancel()
        queue.sync {}
    }
}
