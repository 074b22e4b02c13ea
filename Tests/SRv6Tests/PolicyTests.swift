// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@Suite struct SegmentListTests {
    private static let sids = (1...17).map { SID(high: 0xfcff_0000_0000_0000 | UInt64($0) << 32, low: 0x100) }

    @Test(arguments: [
        ("fcff:3::1", "fcff:3::1"), ("fcff:3::1,fcff:8::100", "fcff:3::1,fcff:8::100"),
        ("fcff:3::1/fcff:8::100", "fcff:3::1,fcff:8::100"),
        ("FCFF:3::1,fcff:8::1/fcff:9:0::1", "fcff:3::1,fcff:8::1,fcff:9::1"),
        ("fcff:3::1,fcff:3::1", "fcff:3::1,fcff:3::1"),
    ])
    func textIsInTravelOrder(text: String, canonical: String) throws {
        let list = try #require(SegmentList(text))
        #expect(list.description == canonical)
        #expect(SegmentList(canonical) == list)
        #expect(list.segments.first == SID("fcff:3::1"))
    }

    @Test(arguments: [
        "", ",", "/", "fcff:3::1,", ",fcff:3::1", "fcff:3::1,,fcff:8::100", "fcff:3::1//fcff:8::100", "fcff:3::1/64",
        "fcff:3::1 fcff:8::100", "fcff:3::1, fcff:8::100", "10.0.0.1", "fcff:3::1,10.0.0.1", "fcff:3::g",
    ])
    func nonsenseIsNoList(text: String) {
        #expect(SegmentList(text) == nil)
    }

    @Test func listsHoldOneToSixteenSegments() throws {
        #expect(SegmentList.maximumCount == 16)
        #expect(SegmentList([]) == nil)
        #expect(SegmentList(Self.sids) == nil)
        #expect(SegmentList(Self.sids.map(\.description).joined(separator: ",")) == nil)
        for count in 1...16 {
            let sids = Array(Self.sids.prefix(count))
            let list = try #require(SegmentList(sids))
            #expect(list.segments == sids)
            #expect(SegmentList(list.description) == list)
        }
    }
}

@Suite struct FlowKeyTests {
    private func key(_ segments: String, _ mode: EncapsulationMode) throws -> [String] {
        FlowKey(Policy(segments: try #require(SegmentList(segments)), mode: mode)).segments.map(\.description)
    }

    @Test(arguments: [EncapsulationMode.encap, .inline, .l2encap]) func aFullHeaderShowsTheWholeList(
        mode: EncapsulationMode
    ) throws {
        #expect(!mode.isReduced)
        #expect(try key("fcff:2::1,fcff:3::1,fcff:8::100", mode) == ["fcff:2::1", "fcff:3::1", "fcff:8::100"])
        #expect(try key("fcff:2::1,fcff:8::100", mode) == ["fcff:2::1", "fcff:8::100"])
        #expect(try key("fcff:8::100", mode) == ["fcff:8::100"])
    }

    /// RFC 8754 section 4.1.1. Where nothing would remain there is no header, and the destination is the key.
    @Test(arguments: [EncapsulationMode.encapRed, .l2encapRed]) func aReducedHeaderLacksTheFirst(
        mode: EncapsulationMode
    ) throws {
        #expect(mode.isReduced)
        #expect(try key("fcff:2::1,fcff:3::1,fcff:8::100", mode) == ["fcff:3::1", "fcff:8::100"])
        #expect(try key("fcff:2::1,fcff:8::100", mode) == ["fcff:8::100"])
        #expect(try key("fcff:8::100", mode) == ["fcff:8::100"])
    }

    /// On arrival these cannot be told apart.
    @Test func policiesThatLookAlikeHaveOneKey() throws {
        let reduced = Policy(segments: try #require(SegmentList("fcff:2::1,fcff:8::100")), mode: .encapRed)
        let single = Policy(segments: try #require(SegmentList("fcff:8::100")))
        let full = Policy(segments: reduced.segments)
        #expect(FlowKey(reduced) == FlowKey(single))
        #expect(FlowKey(reduced) != FlowKey(full))
        #expect(FlowKey(full) == FlowKey(segments: full.segments.segments))
        #expect(FlowKey(full) != FlowKey(segments: full.segments.segments.reversed()), "the order is part of the key")
    }

    @Test func modesHaveTheNamesOfIproute2() {
        #expect(
            EncapsulationMode.allCases.map(\.rawValue) == ["encap", "encap.red", "inline", "l2encap", "l2encap.red"])
    }

    @Test func policiesAndFlowsSayWhatTheyAre() throws {
        let policy = Policy(segments: try #require(SegmentList("fcff:2::1,fcff:8::100")), mode: .l2encapRed)
        #expect("\(policy)" == "fcff:2::1,fcff:8::100 l2encap.red")
        #expect("\(Flow(policy: policy, direction: .ingress))" == "ingress fcff:2::1,fcff:8::100 l2encap.red")
        #expect(Policy(segments: policy.segments).mode == .encap, "encap is what is meant when nothing is said")
    }
}

@Suite struct MarkingTests {
    @Test func theDefaultMarksLieInTheDSCP() {
        for trafficClass in UInt8.min...UInt8.max {
            let dscp = trafficClass >> 2
            let color: MarkColor? = dscp & 0b11 == 0b01 ? .a : dscp & 0b11 == 0b11 ? .b : nil
            #expect(MarkingScheme.dscp.color(of: trafficClass) == color, "traffic class \(trafficClass)")
        }
    }

    @Test func thePublishedMarksLieInTheECN() {
        for trafficClass in UInt8.min...UInt8.max {
            let color: MarkColor? = [nil, .a, .b, nil][Int(trafficClass % 4)]
            #expect(MarkingScheme.ecn.color(of: trafficClass) == color, "traffic class \(trafficClass)")
        }
    }

    /// What a headend writes is what a counter reads, whatever stands in the other bits, and a cleared mask is no mark.
    @Test(arguments: [
        MarkingScheme.dscp, .ecn, MarkingScheme(mask: 0xe1, a: 0x41, b: 0x80)!, MarkingScheme(mask: 0xff, a: 1, b: 2)!,
    ])
    func marksComeBack(scheme: MarkingScheme) {
        for trafficClass in UInt8.min...UInt8.max {
            for color in MarkColor.allCases {
                #expect(scheme.color(of: trafficClass & ~scheme.mask | scheme.value(of: color)) == color)
            }
            #expect(scheme.color(of: trafficClass & ~scheme.mask) == nil)
        }
        #expect(scheme.value(of: .a) == scheme.a)
        #expect(scheme.value(of: .b) == scheme.b)
    }

    /// Every mask and every pair of values.
    @Test func exactlyTheUsableSchemesExist() {
        var usable = 0
        var wrong: [String] = []
        for mask in UInt8.min...UInt8.max {
            for a in UInt8.min...UInt8.max {
                // b lies on either side of every condition: under the mask, outside, equal to a, zero.
                for b in [0, a, mask, mask & (0 &- mask), ~mask, mask & 0x0f, 0x55] as Set<UInt8> {
                    let isUsable =
                        (a | mask) == mask && (b | mask) == mask && a > 0 && b > 0 && a != b
                    if (MarkingScheme(mask: mask, a: a, b: b) != nil) != isUsable {
                        wrong.append("mask \(mask), a \(a), b \(b)")
                    }
                    usable += isUsable ? 1 : 0
                }
            }
        }
        #expect(wrong.prefix(5) == [])
        #expect(usable > 1_000)
    }

    @Test func theOtherColorIsTheOther() {
        #expect(MarkColor.a.other == .b)
        #expect(MarkColor.b.other == .a)
        #expect(MarkColor.allCases.map(\.rawValue) == [0, 1])
    }
}
