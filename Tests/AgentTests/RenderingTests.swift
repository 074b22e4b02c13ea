// SPDX-License-Identifier: Apache-2.0
import API
import Foundation
import Measurement
import SRv6
import Testing
import Wire
import srv6pm

@Suite struct RenderingTests {
    private let names: InterfaceNames = [5: "r1-r2", 6: "r1-r3"]
    private let block = Block(
        flow: Sample.egress, number: 3_528_000_001, color: .b, count: PacketCount(packets: 1000, octets: 150_000),
        start: WallTime(nanoseconds: 1_764_000_000_500_000_000), end: WallTime(nanoseconds: 1_764_000_001_000_000_000),
        isComplete: true)

    @Test func columnsAreAligned() {
        var table = Table([.left("NAME"), .right("COUNT"), .left("LAST")])
        table.add(["a", "12345678", "x"])
        table.add(["longer", "1", ""])
        #expect(
            table.rendered() == """
                NAME       COUNT  LAST
                a       12345678  x
                longer         1
                """)
    }

    @Test func flowsAsText() {
        let reading = FlowReading(
            flow: Sample.egress,
            counters: CounterSnapshot(
                a: PacketCount(packets: 10, octets: 1500), b: PacketCount(packets: 7, octets: 1050),
                uncolored: PacketCount(packets: 2, octets: 300)))
        #expect(
            Listing([reading]).table.rendered()
                == """
                DIRECTION  SEGMENTS                 MODE   A PACKETS  A OCTETS  B PACKETS  B OCTETS  UNCOLORED PACKETS  UNCOLORED OCTETS
                egress     fcff:2::1,fcff:3::100  encap         10      1500          7      1050                  2               300
                """.replacingOccurrences(of: "SEGMENTS                 MODE ", with: "SEGMENTS               MODE "))
    }

    @Test func flowsAsJSON() throws {
        let reading = FlowReading(
            flow: Sample.ingress,
            counters: CounterSnapshot(
                a: PacketCount(packets: 10, octets: 1500), b: PacketCount(packets: UInt64.max, octets: 1050),
                uncolored: PacketCount(packets: 2, octets: 300)))
        #expect(
            try JSON.list(Listing([reading]).json).rendered(pretty: false)
                == #"[{"a":{"octets":1500,"packets":10},"b":{"octets":1050,"packets":18446744073709551615},"#
                + #""direction":"ingress","mode":"encap","segments":["fcff:2::1","fcff:1::100"],"#
                + #""uncolored":{"octets":300,"packets":2}}]"#)
    }

    @Test func blocks() throws {
        #expect(
            try JSON(block).rendered(pretty: false)
                == #"{"block":3528000001,"color":"b","complete":true,"direction":"egress","#
                + #""end":"2025-11-24T16:00:01Z","mode":"encap","octets":150000,"packets":1000,"#
                + #""segments":["fcff:2::1","fcff:3::100"],"start":"2025-11-24T16:00:00.500Z"}"#)
        #expect(
            block.line
                == "2025-11-24T16:00:01Z  block 3528000001 b  egress fcff:2::1,fcff:3::100 encap  1000 packets  150000 octets"
        )
        var incomplete = block
        incomplete.isComplete = false
        #expect(incomplete.line.hasSuffix("150000 octets  incomplete"))
    }

    @Test func routesAndSIDs() throws {
        let routes = Listing([Sample.route], interfaces: names)
        #expect(
            routes.table.rows == [
                [
                    "254", "fd00:0:83::/64", "1024", "unicast",
                    "via fe80::1 dev r1-r2 weight 2 seg6 fcff:2::1,fcff:3::100 encap.red; "
                        + "dev r1-r3 seg6local End.X via fe80::2 dev r1-r3 (kernel only: flavor psp); "
                        + "via 10.0.0.1 dev #7 mpls; dev #8", "encap",
                ]
            ])
        #expect(
            try JSON.list(Listing([Sample.sid], interfaces: names).json).rendered(pretty: false)
                == #"[{"behavior":"End.DT6","behavior_code":18,"engine_executed":true,"interface":null,"#
                + #""kernel_only":null,"lookup_table":254,"next_hop":null,"processed":{"octets":31286,"packets":94},"#
                + #""sid":"fcff:1::100/128","table":253}]"#)
    }

    /// Keys are promises: programs read them.
    @Test func keysAreStable() throws {
        func keys(_ listing: Listing) -> [String] {
            guard case .object(let object)? = listing.json.first else { return [] }
            return object.keys.sorted()
        }
        #expect(
            keys(Listing([Sample.port])) == [
                "busy_polling", "link_index", "mac", "mtu", "name", "queues", "receive_drops", "received",
                "transmitted", "up", "zero_copy",
            ])
        #expect(
            keys(Listing([Sample.worker])) == [
                "bursts", "core", "dropped", "hugepages", "index", "punted", "received", "sleeps", "transmitted",
            ])
        #expect(keys(Listing([Sample.policyStatus])) == ["mode", "monitored", "prefixes", "segments"])
        #expect(keys(Listing([DropStatus(reason: .badSRH, packets: 1)])) == ["packets", "reason"])
        #expect(
            keys(Listing([Sample.route], interfaces: names)) == [
                "action", "kind", "metric", "next_hops", "prefix", "table",
            ])
        #expect(
            keys(Listing([block])) == [
                "block", "color", "complete", "direction", "end", "mode", "octets", "packets", "segments", "start",
            ])
    }

    @Test func theStatusSaysWhoSwitchesTheColor() throws {
        var status = RouterStatus(
            version: "1.2.3", startedAt: WallTime(nanoseconds: 1_764_000_000_000_000_000), marking: .dscp,
            colorClock: ColorClock(period: .milliseconds(500)), activeColor: .b,
            capabilities: CountingCapabilities(
                backend: "afxdp", maximumFlows: 65536, maximumSegments: 16, modes: [.encapRed, .encap]))
        #expect(
            Listing(status).table.rendered() == """
                PROPERTY    VALUE
                backend     afxdp
                version     1.2.3
                started at  2025-11-24T16:00:00Z
                marking     mask 0x0c, a 0x04, b 0x0c
                color       b, switched every 500ms
                flows       at most 65536 per direction
                segments    at most 16 per flow
                modes       encap, encap.red
                """)
        status.colorClock = nil
        #expect(Listing(status).table.rows[4] == ["color", "b, switched by hand"])
        #expect(try JSON.list(Listing(status).json).rendered(pretty: false).contains(#""color_period":null"#))
    }

    @Test func nothingIsAnEmptyListOrTitles() throws {
        #expect(try Listing([Block]()).rendered(asJSON: true) == "[\n\n]")
        #expect(try Listing([DropStatus]()).rendered(asJSON: false) == "REASON  PACKETS")
    }
}
