// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Places for policy templates, by size.
struct TemplateArena {
    private var end = 0
    private var free: [Int: [Int]] = [:]

    mutating func take(_ byteCount: Int) -> Int {
        if let place = free[byteCount]?.popLast() { return place }
        defer { end += byteCount }
        return end
    }

    mutating func give(_ place: Int, byteCount: Int) { free[byteCount, default: []].append(place) }
}

/// The octets that a policy puts in front of a packet: outer IPv6 header and SRH, complete but for four fields.
struct PolicyTemplate {
    let octets: [UInt8]
    /// Where the protocol of the inner packet goes.
    let nextHeaderOffset: Int

    /// Octets of a policy's template.
    static func byteCount(_ policy: Policy) -> Int {
        let listed = listed(policy).count
        return IPv6View.byteCount + (listed == 0 ? 0 : SRHView.fixedByteCount + 16 * listed)
    }

    /// Segments that stand in the SRH.
    private static func listed(_ policy: Policy) -> [SID] {
        policy.mode.isReduced ? Array(policy.segments.segments.dropFirst()) : policy.segments.segments
    }

    /// *RFC*: 8986 sections 5.1 and 5.2.
    init(_ policy: Policy, source: IPv6Address) {
        let all = policy.segments.segments
        let listed = Self.listed(policy)
        var octets = [UInt8](repeating: 0, count: Self.byteCount(policy))
        var span = octets.mutableSpan
        var buffer = unsafe span.mutableBytes
        IPv6(
            payloadLength: 0, nextHeader: listed.isEmpty ? NextHeader.ipv6 : NextHeader.routing, hopLimit: 0,
            source: source, destination: all[0]
        ).emit(into: &buffer, at: 0)
        if !listed.isEmpty {
            SRH(nextHeader: NextHeader.ipv6, segmentsLeft: UInt8(all.count - 1), segments: listed)
                .emit(into: &buffer, at: IPv6View.byteCount)
        }
        nextHeaderOffset = listed.isEmpty ? 6 : IPv6View.byteCount
        self.octets = octets
    }
}
