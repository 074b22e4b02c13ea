// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@Suite struct CodePointTests {
    /// RFC 8986 table 4.
    @Test func behaviorsHaveTheirRegisteredNumbers() {
        let registered: [Behavior: UInt16] = [
            .end: 1, .endPSP: 2, .endX: 5, .endXPSP: 6, .endT: 9, .endTPSP: 10, .endB6Encaps: 14, .endDX6: 16,
            .endDX4: 17,
            .endDT6: 18, .endDT4: 19, .endDT46: 20, .endDX2: 21, .endB6EncapsRed: 27, .opaque: 65535,
        ]
        #expect(registered.count == Behavior.allCases.count)
        for behavior in Behavior.allCases { #expect(behavior.rawValue == registered[behavior], "\(behavior)") }
    }

    @Test func behaviorsHaveTheNamesOfTheRFC() {
        let names: [UInt16: String] = [
            1: "End", 2: "End with PSP", 5: "End.X", 6: "End.X with PSP", 9: "End.T", 10: "End.T with PSP",
            14: "End.B6.Encaps", 16: "End.DX6", 17: "End.DX4", 18: "End.DT6", 19: "End.DT4", 20: "End.DT46",
            21: "End.DX2",
            27: "End.B6.Encaps.Red", 65535: "opaque",
        ]
        for code in UInt16.min...UInt16.max { #expect(Behavior(rawValue: code)?.name == names[code]) }
    }

    /// Raw values index counters.
    @Test func dropReasonsAreDenseFromZero() {
        #expect(DropReason.allCases.map(\.rawValue) == Array(0..<UInt8(DropReason.allCases.count)))
        #expect(DropReason(rawValue: UInt8(DropReason.allCases.count)) == nil)
    }

    /// Metrics carry these names: whoever changes one changes what operators have written down.
    @Test func dropReasonsKeepTheirNames() {
        #expect(
            DropReason.allCases.map(\.name) == [
                "truncated", "badVersion", "badIPv4Checksum", "badSource", "badSRH", "noSegmentsLeft", "segmentsLeft",
                "unexpectedPayload", "badInnerPacket", "puntLimit", "transmitRingFull", "blackhole",
            ])
    }

    @Test func tablesHaveTheNumbersOfLinux() {
        #expect(Route.mainTable == 254)
        #expect(Route.localTable == 255)
    }
}

@Suite struct ErrorTests {
    private static let flow = Flow(
        policy: Policy(segments: SegmentList("fcff:2::1,fcff:8::100")!, mode: .encapRed), direction: .egress)
    private static let other = Flow(policy: Policy(segments: SegmentList("fcff:8::100")!), direction: .ingress)

    @Test(arguments: [
        (FlowError.alreadyMonitored(flow), "flow egress fcff:2::1,fcff:8::100 encap.red is monitored already"),
        (
            .indistinguishable(flow, from: other),
            """
            flow egress fcff:2::1,fcff:8::100 encap.red looks on the wire like flow ingress fcff:8::100 encap, \
            monitored already
            """
        ),
        (.notMonitored(other), "flow ingress fcff:8::100 encap is not monitored"),
        (.tableFull(limit: 1024), "all 1024 flow counters of this direction are in use"),
        (
            .unsupported(flow, reason: "the list is gone"),
            "flow egress fcff:2::1,fcff:8::100 encap.red cannot be monitored: the list is gone"
        ),
    ])
    func flowErrorsNameTheFlow(error: FlowError, text: String) {
        #expect(error.description == text)
        #expect("\(error)" == text)
    }

    @Test func configurationErrorsNameTheField() {
        let error = ConfigurationError(field: "ports[1].name", found: "7", expected: "a name")
        #expect("\(error)" == "ports[1].name: found 7, expected a name")
    }

    @Test(arguments: [
        (1, "Operation not permitted (it needs root, or the capabilities of the systemd unit)"),
        (2, "No such file or directory"), (105, "No buffer space available"),
    ])
    func systemErrorsSayWhatWasAttempted(code: Int32, reason: String) {
        #expect(
            "\(SystemError("bind a socket to p0 queue 3", code: code))"
                == "cannot bind a socket to p0 queue 3: \(reason)")
    }
}

@Suite struct CounterTests {
    private static let old = CounterSnapshot(
        a: PacketCount(packets: 3, octets: 5), b: PacketCount(packets: 7, octets: 11),
        uncolored: PacketCount(packets: 13, octets: 17))
    private static let new = CounterSnapshot(
        a: PacketCount(packets: 103, octets: 1_005), b: PacketCount(packets: 207, octets: 2_011),
        uncolored: PacketCount(packets: 313, octets: 3_017))
    private static let grown = CounterSnapshot(
        a: PacketCount(packets: 100, octets: 1_000), b: PacketCount(packets: 200, octets: 2_000),
        uncolored: PacketCount(packets: 300, octets: 3_000))

    @Test func countersStartAtZero() {
        #expect(
            CounterSnapshot()
                == CounterSnapshot(
                    a: PacketCount(packets: 0, octets: 0), b: PacketCount(packets: 0, octets: 0),
                    uncolored: PacketCount(packets: 0, octets: 0)))
    }

    @Test func differencesAndSumsGoFieldByField() {
        #expect(Self.new - Self.old == Self.grown)
        #expect(Self.old + Self.grown == Self.new)
        #expect(Self.new - Self.new == CounterSnapshot())
    }

    @Test func aColorSelectsItsCounters() {
        #expect(Self.old[.a] == PacketCount(packets: 3, octets: 5))
        #expect(Self.old[.b] == PacketCount(packets: 7, octets: 11))
    }

    /// Counters that wrapped between two readings still differ by what was counted; one that went back differs by a
    /// negative number in two's complement. Neither traps.
    @Test func arithmeticWraps() {
        let before = PacketCount(packets: .max - 1, octets: .max)
        let more = PacketCount(packets: 5, octets: 700)
        let after = before + more
        #expect(after == PacketCount(packets: 3, octets: 699))
        #expect(after - before == more)
        let back = before - after
        #expect(Int64(bitPattern: back.packets) == -5)
        #expect(Int64(bitPattern: back.octets) == -700)
    }
}
