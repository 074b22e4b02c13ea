// SPDX-License-Identifier: Apache-2.0
import Dataplane
import SRv6

/// What an operator can see of a data plane besides its flows.
package protocol RouterState: FlowCounting {
    func ports() -> [PortStatus]
    func routes() -> [RouteStatus]
    func localSIDs() -> [SIDStatus]
    func policies() -> [PolicyStatus]
    func drops() -> [DropStatus]
    func workers() -> [WorkerStatus]
}

/// A data plane from its start to its end.
package protocol Engine: RouterState {
    /// Opens the ports and forwards from here on.
    func start() throws(SystemError)
    /// Gives the ports back to the kernel.
    func stop()
    /// Brings the tables up to date with the kernel.
    func apply(_ changes: [NetworkChange])
    /// Neighbors that packets were sent to since the last call.
    func neighborsInUse() -> [Neighbor.Key]
}

extension Dataplane: Engine {}

/// Where the changes of the kernel's network state come from.
package protocol NetworkSource: Sendable {
    /// Delivers everything that the kernel holds before it returns, then what changes, from a thread of its own.
    func start(deliver: @escaping @Sendable ([NetworkChange]) -> Void) throws(SystemError)
    /// Delivers nothing after it has returned.
    func stop()
    /// Tells the kernel that a neighbor is in use, so that it looks whether it is still there.
    func refresh(_ key: Neighbor.Key)
}
