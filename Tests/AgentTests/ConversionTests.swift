// SPDX-License-Identifier: Apache-2.0
import API
import Measurement
import SRv6
import Testing
import Wire

@Suite struct ConversionTests {
    private let block = Block(
        flow: Sample.ingress, number: 1_764_000_007, color: .b, count: Sample.count(5),
        start: WallTime(nanoseconds: 1_764_000_007_500_000_001), end: WallTime(nanoseconds: 1_764_000_008_000_000_002),
        isComplete: true)

    @Test func valuesSurviveTheWire() throws {
        for mode in EncapsulationMode.allCases {
            for direction in FlowDirection.allCases {
                let flow = Flow(
                    policy: Policy(segments: Sample.list("fcff:2::1,fcff:3::100"), mode: mode), direction: direction)
                let octets: [UInt8] = try Srv6pm_V1_Flow(flow).serializedBytes()
                #expect(try Srv6pm_V1_Flow(serializedBytes: octets).value(at: "flow") == flow)
            }
        }
        let reading = FlowReading(
            flow: Sample.egress,
            counters: CounterSnapshot(a: Sample.count(1), b: Sample.count(2), uncolored: Sample.count(3)))
        #expect(try Srv6pm_V1_FlowCounters(reading).value(at: "") == reading)
        #expect(try Srv6pm_V1_Block(block).value(at: "") == block)
        #expect(try Srv6pm_V1_Port(Sample.port).value(at: "") == Sample.port)
        #expect(Srv6pm_V1_Worker(Sample.worker).value == Sample.worker)
        #expect(try Srv6pm_V1_PolicyStatus(Sample.policyStatus).value(at: "") == Sample.policyStatus)
        #expect(try Srv6pm_V1_LocalSIDStatus(Sample.sid).value(at: "") == Sample.sid)
        #expect(try Srv6pm_V1_Route(Sample.route).value(at: "") == Sample.route)
        for local in [Sample.endX, Sample.endDX4, Sample.endDT6] {
            #expect(try Srv6pm_V1_LocalSID(local).value(at: "") == local)
        }
        for reason in DropReason.allCases {
            let drop = DropStatus(reason: reason, packets: 41)
            #expect(try Srv6pm_V1_Drop(drop).value(at: "") == drop)
        }
        for behavior in Behavior.allCases {
            #expect(try Srv6pm_V1_LocalSID(LocalSID(behavior: behavior)).value(at: "").behavior == behavior)
        }
    }

    @Test func absentFieldsStayAbsent() throws {
        var worker = Sample.worker
        worker.core = nil
        #expect(Srv6pm_V1_Worker(worker).value == worker)
        #expect(try Srv6pm_V1_NextHop(NextHop(linkIndex: 3)).value(at: "") == NextHop(linkIndex: 3))
        let blackhole = RouteStatus(
            route: Route(
                key: Route.Key(table: 254, prefix: Sample.prefix("::/0"), metric: 1, linkIndex: 1), kind: .blackhole,
                nextHops: []), action: "drop")
        #expect(try Srv6pm_V1_Route(blackhole).value(at: "") == blackhole)
    }

    @Test(arguments: [nil, Nanoseconds.milliseconds(500), Nanoseconds.seconds(10)])
    func theStatusSurvivesTheWire(period: Nanoseconds?) throws {
        let status = RouterStatus(
            version: "7.8.9", startedAt: WallTime(nanoseconds: 1_764_000_001_000_000_003), marking: .ecn,
            colorClock: period.map(ColorClock.init(period:)), activeColor: .b,
            capabilities: CountingCapabilities(
                backend: "afxdp", maximumFlows: 65536, maximumSegments: 16, modes: [.encap, .l2encapRed]))
        let octets: [UInt8] = try Srv6pm_V1_GetStatusResponse(status).serializedBytes()
        #expect(try Srv6pm_V1_GetStatusResponse(serializedBytes: octets).value() == status)
    }

    @Test(arguments: [Int64.min, -1_000_000_001, -1, 0, 1, 999_999_999, Int64.max])
    func anyMomentSurvives(nanoseconds: Int64) throws {
        var early = block
        early.start = WallTime(nanoseconds: nanoseconds)
        let message = Srv6pm_V1_Block(early)
        #expect((0..<1_000_000_000).contains(message.start.nanos))
        if nanoseconds > Int64.min + 1_000_000_000 {
            #expect(try message.value(at: "").start == early.start)
        }
    }

    @Test func momentsOutOfRangeAreErrors() {
        var message = Srv6pm_V1_Block(block)
        message.start.seconds = Int64.max
        #expect(
            throws: ConfigurationError(field: "b.start", found: "\(Int64.max) s", expected: "a time from 1677 to 2262")
        ) {
            try message.value(at: "b")
        }
    }

    @Test func flowsNameTheOffendingField() throws {
        func error(_ change: (inout Srv6pm_V1_Flow) -> Void) -> String? {
            var message = Srv6pm_V1_Flow(Sample.egress)
            change(&message)
            do {
                _ = try message.value(at: "flow")
                return nil
            } catch {
                return error.description
            }
        }
        #expect(error { _ in } == nil)
        #expect(error { $0.segments[1] = "fcff" } == "flow.segments[1]: found \"fcff\", expected an IPv6 address")
        #expect(error { $0.segments[0] = "" } == "flow.segments[0]: found nothing, expected an IPv6 address")
        #expect(error { $0.segments = [] } == "flow.segments: found 0 segments, expected 1 to 16")
        #expect(
            error { $0.segments = Array(repeating: "fcff::1", count: 17) }
                == "flow.segments: found 17 segments, expected 1 to 16")
        #expect(error { $0.direction = .unspecified } == "flow.direction: found nothing, expected ingress or egress")
        #expect(error { $0.direction = .UNRECOGNIZED(9) } == "flow.direction: found 9, expected ingress or egress")
        #expect(error { $0.mode = .unspecified } == nil)
        #expect(
            error { $0.mode = .UNRECOGNIZED(9) }
                == "flow.mode: found 9, expected one of encap, encap.red, inline, l2encap, l2encap.red")
    }

    @Test func colorsAreGiven() {
        #expect(throws: ConfigurationError(field: "color", found: "nothing", expected: "a or b")) {
            try MarkColor(.unspecified, at: "color")
        }
        #expect(throws: ConfigurationError(field: "color", found: "7", expected: "a or b")) {
            try MarkColor(.UNRECOGNIZED(7), at: "color")
        }
    }
}
