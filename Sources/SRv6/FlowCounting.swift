// SPDX-License-Identifier: Apache-2.0
import Wire

/// Which way a counted packet crosses the node.
public enum FlowDirection: String, Hashable, Sendable, CaseIterable {
    /// Received, counted as it arrives.
    case ingress
    /// Sent, marked and counted as it leaves.
    case egress
}

/// A monitored flow: the packets of one policy in one direction.
public struct Flow: Hashable, Sendable, CustomStringConvertible {
    public var policy: Policy
    public var direction: FlowDirection

    public init(policy: Policy, direction: FlowDirection) {
        self.policy = policy
        self.direction = direction
    }

    public var description: String { "\(direction.rawValue) \(policy)" }
}

/// Packets and octets of outer packets: IPv6 header through payload, no Ethernet.
public struct PacketCount: Hashable, Sendable {
    public var packets: UInt64
    public var octets: UInt64

    public init(packets: UInt64 = 0, octets: UInt64 = 0) {
        self.packets = packets
        self.octets = octets
    }

    public static func + (left: PacketCount, right: PacketCount) -> PacketCount {
        PacketCount(packets: left.packets &+ right.packets, octets: left.octets &+ right.octets)
    }

    public static func - (left: PacketCount, right: PacketCount) -> PacketCount {
        PacketCount(packets: left.packets &- right.packets, octets: left.octets &- right.octets)
    }
}

/// A flow's counters at one moment. They only grow while the flow exists.
public struct CounterSnapshot: Hashable, Sendable {
    public var a: PacketCount
    public var b: PacketCount
    /// Packets of the flow that carried neither color.
    public var uncolored: PacketCount

    public init(a: PacketCount = .init(), b: PacketCount = .init(), uncolored: PacketCount = .init()) {
        self.a = a
        self.b = b
        self.uncolored = uncolored
    }

    public subscript(color: MarkColor) -> PacketCount { color == .a ? a : b }

    public static func + (left: Self, right: Self) -> Self {
        Self(a: left.a + right.a, b: left.b + right.b, uncolored: left.uncolored + right.uncolored)
    }

    public static func - (left: Self, right: Self) -> Self {
        Self(a: left.a - right.a, b: left.b - right.b, uncolored: left.uncolored - right.uncolored)
    }
}

/// A flow with its counters.
public struct FlowReading: Hashable, Sendable {
    public var flow: Flow
    public var counters: CounterSnapshot

    public init(flow: Flow, counters: CounterSnapshot) {
        self.flow = flow
        self.counters = counters
    }
}

/// What a counting backend can do.
public struct CountingCapabilities: Hashable, Sendable {
    /// `afxdp`, `ebpf` or `nftables`.
    public var backend: String
    /// Flows per direction.
    public var maximumFlows: Int
    /// Segments of one flow.
    public var maximumSegments: Int
    public var modes: Set<EncapsulationMode>

    public init(backend: String, maximumFlows: Int, maximumSegments: Int, modes: Set<EncapsulationMode>) {
        self.backend = backend
        self.maximumFlows = maximumFlows
        self.maximumSegments = maximumSegments
        self.modes = modes
    }
}

/// Why a flow cannot be added, removed or read.
public enum FlowError: Error, Hashable, Sendable, CustomStringConvertible {
    case alreadyMonitored(Flow)
    /// Two policies whose packets look alike on the wire cannot be told apart on arrival.
    case indistinguishable(Flow, from: Flow)
    case notMonitored(Flow)
    case tableFull(limit: Int)
    case unsupported(Flow, reason: String)

    public var description: String {
        switch self {
        case .alreadyMonitored(let flow): "flow \(flow) is monitored already"
        case .indistinguishable(let flow, let other):
            "flow \(flow) looks on the wire like flow \(other), monitored already"
        case .notMonitored(let flow): "flow \(flow) is not monitored"
        case .tableFull(let limit): "all \(limit) flow counters of this direction are in use"
        case .unsupported(let flow, let reason): "flow \(flow) cannot be monitored: \(reason)"
        }
    }
}

/// The counter protocol that every backend implements and that everything above it speaks.
///
/// Counters have one writer each and are never reset while their flow exists. Reading while packets are counted is
/// allowed; a color's counters are exact, packets and octets together, while the other color is active and the
/// packets of the first have passed.
public protocol FlowCounting: Sendable {
    var capabilities: CountingCapabilities { get }

    /// Begins to count a flow, from zero.
    func addFlow(_ flow: Flow) throws(FlowError)

    /// Ends the counting of a flow; its counters are gone.
    func removeFlow(_ flow: Flow) throws(FlowError)

    /// The color that the headend gives to monitored packets.
    var activeColor: MarkColor { get }

    /// Switches the color. Every packet marked after the return carries it.
    func setActiveColor(_ color: MarkColor)

    /// The counters of one flow.
    func reading(of flow: Flow) throws(FlowError) -> CounterSnapshot

    /// All flows with their counters, in the order in which they were added.
    func readings() -> [FlowReading]
}
