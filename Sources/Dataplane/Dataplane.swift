// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// The user-space engine: ports, workers and tables behind one object.
public final class Dataplane: FlowCounting, Sendable {
    /// Receives one line for every decision that an operator should know about.
    public typealias Report = @Sendable (String) -> Void

    public init(_ configuration: DataplaneConfiguration, report: @escaping Report) throws(ConfigurationError) {}

    /// Opens the ports, attaches the XDP programs and starts the workers.
    public func start() throws(SystemError) {}

    /// Detaches the programs, ends the workers and waits for them. The kernel forwards from here on.
    public func stop() {}

    /// Brings the tables up to date with the kernel. Returns when every worker uses the new ones.
    public func apply(_ changes: [NetworkChange]) {}

    public func ports() -> [PortStatus] { [] }
    public func routes() -> [RouteStatus] { [] }
    public func localSIDs() -> [SIDStatus] { [] }
    public func policies() -> [PolicyStatus] { [] }
    public func drops() -> [DropStatus] { [] }
    public func workers() -> [WorkerStatus] { [] }

    public var capabilities: CountingCapabilities {
        CountingCapabilities(
            backend: "afxdp", maximumFlows: 0, maximumSegments: SegmentList.maximumCount, modes: [.encap, .encapRed])
    }
    public func addFlow(_ flow: Flow) throws(FlowError) {}
    public func removeFlow(_ flow: Flow) throws(FlowError) {}
    public var activeColor: MarkColor { .a }
    public func setActiveColor(_ color: MarkColor) {}
    public func reading(of flow: Flow) throws(FlowError) -> CounterSnapshot { throw .notMonitored(flow) }
    public func readings() -> [FlowReading] { [] }
}
