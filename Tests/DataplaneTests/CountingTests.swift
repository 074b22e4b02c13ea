// SPDX-License-Identifier: Apache-2.0
import Bench
import Dataplane
import SRv6
import Testing
import Wire

@Suite("Marking and counting")
struct CountingTests {
    static let policy = Policy(segments: list("fcff:2::1,fcff:8::100"))

    @Test("a monitored flow is marked with the active color and counted by it")
    func egress() throws {
        let scene = try Scene(SRv6Tests.headend)
        let flow = Flow(policy: Self.policy, direction: .egress)
        try scene.dataplane.addFlow(flow)
        let octets = UInt64(customer6().count + 80)
        let a = try scene.forwarded(customer6())
        #expect((a[0] & 0xf) << 4 | a[1] >> 4 == 0xb1 | 0x04)
        scene.dataplane.setActiveColor(.b)
        let b = try scene.forwarded(customer6())
        #expect((b[0] & 0xf) << 4 | b[1] >> 4 == 0xb1 | 0x0c)
        _ = try scene.forwarded(customer6())
        let reading = try scene.dataplane.reading(of: flow)
        #expect(reading.a == PacketCount(packets: 1, octets: octets))
        #expect(reading.b == PacketCount(packets: 2, octets: 2 * octets))
        #expect(reading.uncolored == PacketCount())
    }

    @Test("packets that do not leave are not counted as sent")
    func notSent() throws {
        let scene = try Scene(SRv6Tests.headend)
        let flow = Flow(policy: Self.policy, direction: .egress)
        try scene.dataplane.addFlow(flow)
        _ = scene.send(customer6(hopLimit: 1))
        _ = scene.send(customer6(payload: 1400))
        #expect(try scene.dataplane.reading(of: flow) == CounterSnapshot())
    }

    @Test(
        "what arrives is counted by the color it carries, and uncolored when it carries none",
        arguments: [
            (UInt8(0x04), MarkColor?.some(.a)), (0x0c, .b), (0x00, nil), (0x08, nil), (0xb5, .a), (0xbf, .b),
        ])
    func ingress(_ trafficClass: UInt8, _ color: MarkColor?) throws {
        let scene = try Scene(SRv6Tests.endpoint)
        let flow = Flow(policy: Policy(segments: list("fcff:1::1,fcff:1::100")), direction: .ingress)
        try scene.dataplane.addFlow(flow)
        let packet = SRv6Tests.arriving(
            customer6(), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0, trafficClass: trafficClass)
        _ = try scene.forwarded(packet)
        let reading = try scene.dataplane.reading(of: flow)
        let count = PacketCount(packets: 1, octets: UInt64(packet.count))
        #expect(reading.a == (color == .a ? count : PacketCount()))
        #expect(reading.b == (color == .b ? count : PacketCount()))
        #expect(reading.uncolored == (color == nil ? count : PacketCount()))
    }

    @Test("a reduced list and a list without an SRH are recognized by what is left of them")
    func reducedKeys() throws {
        let scene = try Scene(SRv6Tests.endpoint)
        let one = Flow(policy: Policy(segments: list("fcff:1::100"), mode: .encapRed), direction: .ingress)
        try scene.dataplane.addFlow(one)
        let bare = PacketFactory.encapsulated(
            customer6(), from: v6("fcff:9::1"), to: v6("fcff:1::100"), listed: [], segmentsLeft: 0, trafficClass: 0x04)
        _ = try scene.forwarded(bare)
        #expect(try scene.dataplane.reading(of: one).a.packets == 1)
        let three = Flow(
            policy: Policy(segments: list("fcff:5::1,fcff:1::1,fcff:1::100"), mode: .encapRed), direction: .ingress)
        try scene.dataplane.addFlow(three)
        _ = try scene.forwarded(
            SRv6Tests.arriving(
                customer6(), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0, trafficClass: 0x0c))
        #expect(try scene.dataplane.reading(of: three).b.packets == 1)
        let two = Flow(policy: Policy(segments: list("fcff:7::1,fcff:1::100"), mode: .encapRed), direction: .ingress)
        #expect(throws: FlowError.indistinguishable(two, from: one)) { try scene.dataplane.addFlow(two) }
    }

    @Test("flows come and go; a counter used again begins at zero")
    func lifecycle() throws {
        let scene = try Scene(SRv6Tests.headend)
        let flow = Flow(policy: Self.policy, direction: .egress)
        #expect(throws: FlowError.notMonitored(flow)) { try scene.dataplane.removeFlow(flow) }
        try scene.dataplane.addFlow(flow)
        #expect(throws: FlowError.alreadyMonitored(flow)) { try scene.dataplane.addFlow(flow) }
        _ = try scene.forwarded(customer6())
        try scene.dataplane.removeFlow(flow)
        #expect(throws: FlowError.notMonitored(flow)) { try scene.dataplane.reading(of: flow) }
        let unmarked = try scene.forwarded(customer6())
        #expect(unmarked[1] >> 4 & 0xc == 0)
        let other = Flow(policy: Policy(segments: list("fcff:2::1,fcff:8::100"), mode: .encapRed), direction: .egress)
        try scene.dataplane.addFlow(other)
        #expect(try scene.dataplane.reading(of: other) == CounterSnapshot())
        _ = try scene.forwarded(customer6(to: "fd00:9::2"))
        #expect(try scene.dataplane.reading(of: other).a.packets == 1)
        #expect(scene.dataplane.readings().map(\.flow) == [other])
    }

    @Test("a flow may be added before its route, and outlives the route")
    func flowFirst() throws {
        let scene = try Scene("route fcff::/16 via fcf0:2::2 dev p1")
        let flow = Flow(policy: Self.policy, direction: .egress)
        try scene.dataplane.addFlow(flow)
        let route = try NetworkScript(
            "link p0\nlink p1\nroute fd00:8::/64 encap seg6 mode encap segs fcff:2::1,fcff:8::100 dev p1"
        ).changes[2]
        scene.dataplane.apply([route])
        _ = try scene.forwarded(customer6())
        guard case .route(let value) = route else { return }
        scene.dataplane.apply([.routeRemoved(value.key)])
        scene.dataplane.apply([route])
        _ = try scene.forwarded(customer6())
        #expect(try scene.dataplane.reading(of: flow).a.packets == 2)
        #expect(scene.dataplane.policies().map(\.isMonitored) == [true])
    }

    @Test("the table of flows is full when its limit is reached, per direction")
    func full() throws {
        let scene = try Scene(SRv6Tests.headend) { $0.maximumFlows = 2 }
        for index in 0..<2 {
            try scene.dataplane.addFlow(Flow(policy: Policy(segments: list("fcff:\(index)::1")), direction: .egress))
        }
        let third = Flow(policy: Self.policy, direction: .egress)
        #expect(throws: FlowError.tableFull(limit: 2)) { try scene.dataplane.addFlow(third) }
        try scene.dataplane.addFlow(Flow(policy: Self.policy, direction: .ingress))
    }

    @Test("a packet whose way out only the kernel finds gets there encapsulated, without a color")
    func unresolvedIsUncolored() throws {
        let scene = try Scene(SRv6Tests.headend)
        let flow = Flow(policy: Self.policy, direction: .egress)
        try scene.dataplane.addFlow(flow)
        let gateway = Neighbor.Key(linkIndex: 2, address: .v6(v6("fcf0:2::2")))
        scene.dataplane.apply([.neighborRemoved(gateway)])
        // The customer's packet carries what would be color A.
        let inner = PacketFactory.ipv6(from: v6("fd00:1::2"), to: v6("fd00:8::2"), trafficClass: 0xb5, hopLimit: 64)
        guard case .punted(let octets)? = scene.send(inner) else {
            Issue.record("not punted")
            return
        }
        let outer = Array(octets.dropFirst(EthernetView.byteCount))
        // The kernel takes one off the hop limit when it forwards.
        #expect(
            outer
                == PacketFactory.encapsulated(
                    inner, from: v6("fcff:1::1"), to: v6("fcff:2::1"),
                    listed: list("fcff:2::1,fcff:8::100").segments, segmentsLeft: 1, trafficClass: 0xb1, hopLimit: 64))
        #expect(try scene.dataplane.reading(of: flow) == CounterSnapshot())
        #expect(scene.unaccounted == 0)
        guard case .punted(let second)? = scene.send(customer4()) else {
            Issue.record("not punted")
            return
        }
        #expect(Array(second[14..<22]) == [0x60, 0, 0, 0, 0, UInt8(40 + customer4().count), 43, 64])
    }

    @Test("neighbors in use are told, idle ones are not")
    func neighborsInUse() throws {
        let scene = try Scene(SRv6Tests.headend)
        #expect(scene.dataplane.neighborsInUse().isEmpty)
        _ = try scene.forwarded(customer6())
        #expect(
            scene.dataplane.neighborsInUse() == [Neighbor.Key(linkIndex: 2, address: .v6(v6("fcf0:2::2")))])
        #expect(scene.dataplane.neighborsInUse().isEmpty)
        // The kernel would make an ordinary entry of a permanent one that it is told of.
        let key = Neighbor.Key(linkIndex: 2, address: .v6(v6("fcf0:2::2")))
        scene.dataplane.apply([.neighbor(Neighbor(key: key, mac: MACAddress(0x0200_0000_0202), isPermanent: true))])
        _ = try scene.forwarded(customer6())
        #expect(scene.dataplane.neighborsInUse().isEmpty)
    }

    @Test("counts can be read after the end")
    func afterStop() throws {
        let scene = try Scene(SRv6Tests.headend)
        let flow = Flow(policy: Self.policy, direction: .egress)
        try scene.dataplane.addFlow(flow)
        _ = try scene.forwarded(customer6())
        scene.dataplane.stop()
        #expect(try scene.dataplane.reading(of: flow).a.packets == 1)
        #expect(scene.dataplane.readings().map(\.counters.a.packets) == [1])
        #expect(scene.dataplane.workers().map(\.transmitted) == [1])
        scene.dataplane.setActiveColor(.b)
        scene.dataplane.apply([.tunnelSource(v6("fcff:1::2"))])
    }

    @Test("the published ECN marking is understood when so configured")
    func ecn() throws {
        let scene = try Scene(SRv6Tests.headend) { $0.marking = .ecn }
        try scene.dataplane.addFlow(Flow(policy: Self.policy, direction: .egress))
        let a = try scene.forwarded(customer6())
        #expect((a[0] & 0xf) << 4 | a[1] >> 4 == 0xb8 | 0x01)
    }
}
