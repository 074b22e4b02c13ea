// SPDX-License-Identifier: Apache-2.0
import Measurement
import SRv6
import SwiftProtobuf
import Wire

// Every message has an initializer from its value, and `value(at:)` back, which throws a `ConfigurationError` with the
// path of the field that makes no sense.

extension EncapsulationMode {
    /// An unset mode is the one that everybody means.
    init(_ message: Srv6pm_V1_EncapsulationMode, at path: String) throws(ConfigurationError) {
        switch message {
        case .unspecified, .encap: self = .encap
        case .encapRed: self = .encapRed
        case .inline: self = .inline
        case .l2Encap: self = .l2encap
        case .l2EncapRed: self = .l2encapRed
        case .UNRECOGNIZED(let number):
            throw ConfigurationError(
                field: path, found: "\(number)",
                expected: "one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
    }

    var message: Srv6pm_V1_EncapsulationMode {
        switch self {
        case .encap: .encap
        case .encapRed: .encapRed
        case .inline: .inline
        case .l2encap: .l2Encap
        case .l2encapRed: .l2EncapRed
        }
    }
}

extension MarkColor {
    /// *Throws*: `ConfigurationError` when the message names no color.
    public init(_ message: Srv6pm_V1_MarkColor, at path: String) throws(ConfigurationError) {
        switch message {
        case .a: self = .a
        case .b: self = .b
        case .unspecified: throw ConfigurationError(field: path, found: "nothing", expected: "a or b")
        case .UNRECOGNIZED(let number): throw ConfigurationError(field: path, found: "\(number)", expected: "a or b")
        }
    }

    public var message: Srv6pm_V1_MarkColor { self == .a ? .a : .b }
}

/// *Throws*: with the index of the address that is none.
func segmentList(_ texts: [String], at path: String) throws(ConfigurationError) -> SegmentList {
    var segments: [SID] = []
    for (index, text) in texts.enumerated() {
        guard let sid = SID(text) else {
            throw ConfigurationError(field: "\(path)[\(index)]", found: text.quoted, expected: "an IPv6 address")
        }
        segments.append(sid)
    }
    guard let list = SegmentList(segments) else {
        throw ConfigurationError(
            field: path, found: "\(segments.count) segments", expected: "1 to \(SegmentList.maximumCount)")
    }
    return list
}

extension String {
    /// As error messages show what was found.
    var quoted: String { isEmpty ? "nothing" : "\"\(self)\"" }
}

extension Srv6pm_V1_Policy {
    public init(_ policy: Policy) {
        self.init()
        segments = policy.segments.segments.map(\.description)
        mode = policy.mode.message
    }

    public func value(at path: String) throws(ConfigurationError) -> Policy {
        Policy(
            segments: try segmentList(segments, at: "\(path).segments"),
            mode: try EncapsulationMode(mode, at: "\(path).mode"))
    }
}

extension Srv6pm_V1_Flow {
    public init(_ flow: Flow) {
        self.init()
        segments = flow.policy.segments.segments.map(\.description)
        mode = flow.policy.mode.message
        direction = flow.direction == .ingress ? .ingress : .egress
    }

    public func value(at path: String) throws(ConfigurationError) -> Flow {
        let list = try segmentList(segments, at: "\(path).segments")
        let mode = try EncapsulationMode(mode, at: "\(path).mode")
        let direction: FlowDirection
        switch self.direction {
        case .ingress: direction = .ingress
        case .egress: direction = .egress
        case .unspecified:
            throw ConfigurationError(field: "\(path).direction", found: "nothing", expected: "ingress or egress")
        case .UNRECOGNIZED(let number):
            throw ConfigurationError(field: "\(path).direction", found: "\(number)", expected: "ingress or egress")
        }
        return Flow(policy: Policy(segments: list, mode: mode), direction: direction)
    }
}

extension Srv6pm_V1_PacketCount {
    public init(_ count: PacketCount) {
        self.init()
        packets = count.packets
        octets = count.octets
    }

    public var value: PacketCount { PacketCount(packets: packets, octets: octets) }
}

extension Srv6pm_V1_FlowCounters {
    public init(_ reading: FlowReading) {
        self.init()
        flow = Srv6pm_V1_Flow(reading.flow)
        a = Srv6pm_V1_PacketCount(reading.counters.a)
        b = Srv6pm_V1_PacketCount(reading.counters.b)
        uncolored = Srv6pm_V1_PacketCount(reading.counters.uncolored)
    }

    public func value(at path: String) throws(ConfigurationError) -> FlowReading {
        FlowReading(
            flow: try flow.value(at: "\(path).flow"),
            counters: CounterSnapshot(a: a.value, b: b.value, uncolored: uncolored.value))
    }
}

extension Google_Protobuf_Timestamp {
    init(_ time: WallTime) {
        self.init()
        // Nanos are positive also before the epoch.
        let (quotient, remainder) = time.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        seconds = remainder < 0 ? quotient - 1 : quotient
        nanos = Int32(remainder < 0 ? remainder + 1_000_000_000 : remainder)
    }

    func value(at path: String) throws(ConfigurationError) -> WallTime {
        WallTime(nanoseconds: try nanoseconds(seconds, nanos, at: path))
    }
}

// Periods are positive: both parts have the same sign, as the message wants it.
extension Google_Protobuf_Duration {
    init(_ span: Nanoseconds) {
        self.init()
        seconds = span.count / 1_000_000_000
        nanos = Int32(span.count % 1_000_000_000)
    }

    func value(at path: String) throws(ConfigurationError) -> Nanoseconds {
        Nanoseconds(try nanoseconds(seconds, nanos, at: path))
    }
}

/// Messages reach from year 1 to 9999, nanoseconds in 64 bits do not.
private func nanoseconds(_ seconds: Int64, _ nanos: Int32, at path: String) throws(ConfigurationError) -> Int64 {
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflows) = whole.addingReportingOverflow(Int64(nanos))
    guard !overflow, !overflows else {
        throw ConfigurationError(field: path, found: "\(seconds) s", expected: "a time from 1677 to 2262")
    }
    return sum
}

extension Srv6pm_V1_Block {
    public init(_ block: Block) {
        self.init()
        flow = Srv6pm_V1_Flow(block.flow)
        number = block.number
        color = block.color.message
        count = Srv6pm_V1_PacketCount(block.count)
        start = Google_Protobuf_Timestamp(block.start)
        end = Google_Protobuf_Timestamp(block.end)
        complete = block.isComplete
    }

    public func value(at path: String) throws(ConfigurationError) -> Block {
        Block(
            flow: try flow.value(at: "\(path).flow"), number: number,
            color: try MarkColor(color, at: "\(path).color"), count: count.value,
            start: try start.value(at: "\(path).start"), end: try end.value(at: "\(path).end"), isComplete: complete)
    }
}

extension Srv6pm_V1_GetStatusResponse {
    public init(_ status: RouterStatus) {
        self.init()
        backend = status.capabilities.backend
        version = status.version
        startedAt = Google_Protobuf_Timestamp(status.startedAt)
        marking.mask = UInt32(status.marking.mask)
        marking.a = UInt32(status.marking.a)
        marking.b = UInt32(status.marking.b)
        if let clock = status.colorClock { colorClock.period = Google_Protobuf_Duration(clock.period) }
        activeColor = status.activeColor.message
        maximumFlows = UInt64(status.capabilities.maximumFlows)
        maximumSegments = UInt32(status.capabilities.maximumSegments)
        modes = EncapsulationMode.allCases.filter(status.capabilities.modes.contains).map(\.message)
    }

    public func value() throws(ConfigurationError) -> RouterStatus {
        guard let mask = UInt8(exactly: marking.mask), let a = UInt8(exactly: marking.a),
            let b = UInt8(exactly: marking.b), let scheme = MarkingScheme(mask: mask, a: a, b: b)
        else {
            throw ConfigurationError(
                field: "marking", found: "mask \(marking.mask), a \(marking.a), b \(marking.b)",
                expected: "two different values other than 0 under an 8-bit mask")
        }
        var clock: ColorClock?
        if hasColorClock {
            let period = try colorClock.period.value(at: "color_clock.period")
            guard period.count >= 4 else {
                throw ConfigurationError(field: "color_clock.period", found: "\(period)", expected: "at least 4ns")
            }
            clock = ColorClock(period: period)
        }
        var supported: Set<EncapsulationMode> = []
        for (index, mode) in modes.enumerated() { supported.insert(try EncapsulationMode(mode, at: "modes[\(index)]")) }
        return RouterStatus(
            version: version, startedAt: try startedAt.value(at: "started_at"), marking: scheme, colorClock: clock,
            activeColor: try MarkColor(activeColor, at: "active_color"),
            capabilities: CountingCapabilities(
                backend: backend, maximumFlows: Int(clamping: maximumFlows), maximumSegments: Int(maximumSegments),
                modes: supported))
    }
}
