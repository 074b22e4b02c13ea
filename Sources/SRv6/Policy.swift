// SPDX-License-Identifier: Apache-2.0
import Wire

/// The segments of a path, in travel order, the first hop first.
public struct SegmentList: Hashable, Sendable, LosslessStringConvertible, CustomStringConvertible {
    /// Segments that the counting backends and the engine can hold.
    public static let maximumCount = 16

    /// 1 to ``maximumCount`` segments.
    public let segments: [SID]

    /// *Returns*: nil when there are no segments or too many.
    public init?(_ segments: [SID]) {
        guard (1...Self.maximumCount).contains(segments.count) else { return nil }
        self.segments = segments
    }

    /// SIDs separated by commas or slashes, for example `fcff:3::1,fcff:8::100`.
    public init?(_ text: String) {
        var segments: [SID] = []
        // A missing SID would be another path: empty parts are errors.
        for part in text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "," || $0 == "/" }) {
            guard let sid = SID(String(part)) else { return nil }
            segments.append(sid)
        }
        self.init(segments)
    }

    public var description: String { segments.map(\.description).joined(separator: ",") }
}

/// How a headend puts a segment list onto a packet.
public enum EncapsulationMode: String, Hashable, Sendable, CaseIterable {
    /// H.Encaps: the SRH holds the whole list.
    case encap
    /// H.Encaps.Red: the first segment is in the destination address alone; one segment needs no SRH.
    case encapRed = "encap.red"
    /// The SRH is inserted behind the packet's own IPv6 header.
    case inline
    /// H.Encaps.L2: an Ethernet frame inside.
    case l2encap
    /// H.Encaps.L2.Red.
    case l2encapRed = "l2encap.red"

    /// Whether the first segment is left out of the SRH.
    public var isReduced: Bool { self == .encapRed || self == .l2encapRed }
}

/// An SR policy as a headend applies it.
public struct Policy: Hashable, Sendable, CustomStringConvertible {
    public var segments: SegmentList
    public var mode: EncapsulationMode

    public init(segments: SegmentList, mode: EncapsulationMode = .encap) {
        self.segments = segments
        self.mode = mode
    }

    public var description: String { "\(segments) \(mode.rawValue)" }
}

/// What identifies a flow in a packet on the wire: the SRH's segment list, or the destination address where
/// there is no SRH; in travel order.
public struct FlowKey: Hashable, Sendable {
    public var segments: [SID]

    public init(segments: [SID]) { self.segments = segments }

    /// The key of a policy's packets as seen behind the headend.
    ///
    /// A reduced SRH lacks the first segment, unless there was one only.
    public init(_ policy: Policy) {
        let all = policy.segments.segments
        segments = policy.mode.isReduced && all.count > 1 ? Array(all.dropFirst()) : all
    }
}
