// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@Suite struct NetworkScriptTests {
    private static let links = """
        link p0 mac 02:00:00:00:01:01 mtu 9000
        link p1

        """

    /// The changes that the lines behind two links make.
    private func changes(_ lines: String) throws -> [NetworkChange] {
        Array(try NetworkScript(Self.links + lines).changes.dropFirst(2))
    }

    private func route(
        _ prefix: String, table: UInt32 = 254, metric: UInt32 = 1024, _ hop: NextHop
    ) throws -> NetworkChange {
        let prefix = try #require(IPPrefix(prefix))
        let key = Route.Key(table: table, prefix: prefix, metric: metric, linkIndex: hop.linkIndex)
        return .route(Route(key: key, kind: .unicast, nextHops: [hop]))
    }

    @Test(arguments: ["", "\n", "\n\n \n", "# a comment", "   # a comment\n\n#another"]) func nothingMakesNoChange(
        text: String
    ) throws {
        #expect(try NetworkScript(text).changes.isEmpty)
    }

    @Test func linksAreNumberedInTheirOrder() throws {
        let changes = try NetworkScript(
            """
            link p0 mac 02:13:24:35:46:57 mtu 9000
            link p1 mtu 1280 down
            link p2
            """
        ).changes
        #expect(
            changes == [
                .link(Link(index: 1, name: "p0", mac: MACAddress(0x0213_2435_4657), mtu: 9000, isUp: true)),
                .link(Link(index: 2, name: "p1", mac: MACAddress(0), mtu: 1280, isUp: false)),
                .link(Link(index: 3, name: "p2", mac: MACAddress(0), mtu: 1500, isUp: true)),
            ])
    }

    /// A second line about a link changes it; the next link still gets a number of its own.
    @Test func aLinkKeepsItsNumber() throws {
        let changes = try NetworkScript("link p0\nlink p1\nlink p0 down\nlink p2\naddress fd00::1/64 dev p0").changes
        let numbers = changes.compactMap { change -> String? in
            if case .link(let link) = change { "\(link.name) \(link.index) \(link.isUp)" } else { nil }
        }
        #expect(numbers == ["p0 1 true", "p1 2 true", "p0 1 false", "p2 3 true"])
        #expect(
            changes.last
                == .address(
                    InterfaceAddress(linkIndex: 1, address: try #require(IPAddress("fd00::1")), prefixLength: 64)))
    }

    @Test(arguments: [("fd00:1::1", 64), ("fd00:1::1", 0), ("fd00:1::1", 128), ("192.0.2.1", 24), ("192.0.2.1", 32)])
    func addressesKeepTheirHostBits(address: String, length: Int) throws {
        #expect(
            try changes("address \(address)/\(length) dev p1") == [
                .address(
                    InterfaceAddress(linkIndex: 2, address: try #require(IPAddress(address)), prefixLength: length))
            ])
    }

    @Test(arguments: ["fd00:1::2", "192.0.2.2"]) func neighborsOfEitherFamily(address: String) throws {
        let key = Neighbor.Key(linkIndex: 2, address: try #require(IPAddress(address)))
        #expect(
            try changes("neighbor \(address) lladdr 02:68:79:8a:9b:ac dev p1")
                == [.neighbor(Neighbor(key: key, mac: MACAddress(0x0268_798a_9bac)))])
    }

    @Test func theTunnelSource() throws {
        #expect(try changes("tunsrc fcff:1::1") == [.tunnelSource(try #require(IPv6Address("fcff:1::1")))])
    }

    @Test(arguments: ["fd00:bad::/64", "10.9.0.0/16"]) func blackholesHaveNoNextHop(prefix: String) throws {
        let key = Route.Key(table: 254, prefix: try #require(IPPrefix(prefix)), metric: 1024, linkIndex: 0)
        #expect(
            try changes("blackhole \(prefix)") == [.route(Route(key: key, kind: .blackhole, nextHops: []))])
    }

    @Test func plainRoutes() throws {
        let gateway = try #require(IPAddress("fd00:1::2"))
        #expect(
            try changes(
                """
                route fd00:8::/64 via fd00:1::2 dev p1
                route fd00:1::/64 dev p0
                route 10.8.0.0/16 via fd00:1::2 dev p0 metric 7
                route fd00:8::9 dev p1 table 100 metric 20
                """
            ) == [
                try route("fd00:8::/64", NextHop(linkIndex: 2, gateway: gateway)),
                try route("fd00:1::/64", NextHop(linkIndex: 1)),
                try route("10.8.0.0/16", metric: 7, NextHop(linkIndex: 1, gateway: gateway)),
                try route("fd00:8::9/128", table: 100, metric: 20, NextHop(linkIndex: 2)),
            ])
    }

    @Test(arguments: EncapsulationMode.allCases) func policyRoutes(mode: EncapsulationMode) throws {
        let policy = Policy(segments: try #require(SegmentList("fcff:2::1,fcff:8::100")), mode: mode)
        #expect(
            try changes(
                "route fd00:9::/64 encap seg6 mode \(mode.rawValue) segs fcff:2::1,fcff:8::100 dev p1 table 9"
            ) == [try route("fd00:9::/64", table: 9, NextHop(linkIndex: 2, encapsulation: .seg6(policy)))])
    }

    @Test func localSIDRoutes() throws {
        let cases: [(String, LocalSID)] = [
            ("End", LocalSID(behavior: .end)),
            ("End.X nh6 fd00:1::2", LocalSID(behavior: .endX, nextHop6: IPv6Address("fd00:1::2"))),
            ("End.T table 100", LocalSID(behavior: .endT, table: 100)),
            ("End.DX6 nh6 ::", LocalSID(behavior: .endDX6, nextHop6: .unspecified)),
            ("End.DX4 nh4 192.0.2.9", LocalSID(behavior: .endDX4, nextHop4: IPv4Address("192.0.2.9"))),
            ("End.DT6 table 254", LocalSID(behavior: .endDT6, table: 254)),
            ("End.DT4 table 4294967295", LocalSID(behavior: .endDT4, table: .max)),
            ("End.DT46 table 101", LocalSID(behavior: .endDT46, table: 101)),
            ("End.DX2", LocalSID(behavior: .endDX2)),
        ]
        for (words, localSID) in cases {
            #expect(
                try changes("route fcff:1::100/128 encap seg6local action \(words) dev p0")
                    == [try route("fcff:1::100/128", NextHop(linkIndex: 1, encapsulation: .seg6local(localSID)))])
        }
    }

    /// `table` of the behavior comes first, `table` of the route behind it.
    @Test func bothTablesOfARoute() throws {
        let localSID = LocalSID(behavior: .endDT6, table: 100)
        #expect(
            try changes("route fcff:1::100 encap seg6local action End.DT6 table 100 dev p0 table 255")
                == [
                    try route("fcff:1::100/128", table: 255, NextHop(linkIndex: 1, encapsulation: .seg6local(localSID)))
                ])
    }

    @Test func spacesAndCommentsMakeNoDifference() throws {
        let plain = try NetworkScript("link p0 mtu 1400\ntunsrc fcff:1::1")
        #expect(
            try NetworkScript("  link   p0\tmtu 1400 # the first\n\n\ttunsrc fcff:1::1# ::2").changes == plain.changes)
        #expect(try NetworkScript("link p0 mtu 1400\r\ntunsrc fcff:1::1\r\n").changes == plain.changes)
    }

    @Test(arguments: [
        ("interface p2", "interface", "link, address, neighbor, route, blackhole or tunsrc"),
        ("Link p2", "Link", "link, address, neighbor, route, blackhole or tunsrc"),
        ("link", "the end of the line", "a name"),
        ("link p2 up", "up", "mac, mtu or down"),
        ("link p2 mac", "the end of the line", "a MAC address"),
        ("link p2 mac 02:00:00:00:01", "02:00:00:00:01", "a MAC address"),
        ("link p2 mtu", "the end of the line", "a positive number"),
        ("link p2 mtu big", "big", "a positive number"),
        ("link p2 mtu 0", "0", "a positive number"),
        ("link p2 mtu -1", "-1", "a positive number"),
        ("address", "the end of the line", "an address with its prefix length"),
        ("address fd00::1 dev p0", "fd00::1", "an address with its prefix length"),
        ("address fd00::1/129 dev p0", "fd00::1/129", "an address with its prefix length"),
        ("address fd00::1/-1 dev p0", "fd00::1/-1", "an address with its prefix length"),
        ("address 10.0.0.1/33 dev p0", "10.0.0.1/33", "an address with its prefix length"),
        ("address fd00::1//64 dev p0", "fd00::1//64", "an address with its prefix length"),
        ("address fd00::1/64/ dev p0", "fd00::1/64/", "an address with its prefix length"),
        ("address fd00::1/64", "the end of the line", "dev"),
        ("address fd00::1/64 on p0", "on", "dev"),
        ("address fd00::1/64 dev", "the end of the line", "a link of this script"),
        ("address fd00::1/64 dev p9", "p9", "a link of this script"),
        ("address fd00::1/64 dev p0 nodad", "nodad", "the end of the line"),
        ("neighbor", "the end of the line", "an address"),
        ("neighbor fd00::1/64", "fd00::1/64", "an address"),
        ("neighbor fd00::1 dev p0", "dev", "lladdr"),
        ("neighbor fd00::1 lladdr fd00::2 dev p0", "fd00::2", "a MAC address"),
        ("neighbor fd00::1 lladdr 02:00:00:00:01:01", "the end of the line", "dev"),
        ("neighbor fd00::1 lladdr 02:00:00:00:01:01 dev p2", "p2", "a link of this script"),
        ("neighbor fd00::1 lladdr 02:00:00:00:01:01 dev p0 stale", "stale", "the end of the line"),
        ("route", "the end of the line", "a prefix"),
        ("route default via fd00::1", "default", "a prefix"),
        ("route fd00::/64 nexthop", "nexthop", "via, dev, table, metric or encap"),
        ("route fd00::/64 via", "the end of the line", "an address"),
        ("route fd00::/64 via p0", "p0", "an address"),
        ("route fd00::/64 dev p7", "p7", "a link of this script"),
        ("route fd00::/64 table main", "main", "a number"),
        ("route fd00::/64 table -1", "-1", "a number"),
        ("route fd00::/64 table 4294967296", "4294967296", "a number"),
        ("route fd00::/64 metric", "the end of the line", "a number"),
        ("route fd00::/64 encap", "the end of the line", "seg6 or seg6local"),
        ("route fd00::/64 encap mpls 100", "mpls", "seg6 or seg6local"),
        ("route fd00::/64 encap seg6 segs fcff::1", "segs", "mode"),
        ("route fd00::/64 encap seg6 mode", "the end of the line", "a mode"),
        ("route fd00::/64 encap seg6 mode encaps segs fcff::1", "encaps", "a mode"),
        ("route fd00::/64 encap seg6 mode encap fcff::1", "fcff::1", "segs"),
        ("route fd00::/64 encap seg6 mode encap segs", "the end of the line", "1 to 16 SIDs separated by commas"),
        ("route fd00::/64 encap seg6 mode encap segs fcff::1,", "fcff::1,", "1 to 16 SIDs separated by commas"),
        ("route fd00::/64 encap seg6local End", "End", "action"),
        ("route fd00::/64 encap seg6local action end", "end", "a behavior"),
        ("route fd00::/64 encap seg6local action End.M", "End.M", "a behavior"),
        ("route fd00::/64 encap seg6local action End.X dev p0", "dev", "nh6"),
        ("route fd00::/64 encap seg6local action End.X nh6 10.0.0.1", "10.0.0.1", "an IPv6 address"),
        ("route fd00::/64 encap seg6local action End.DX6", "the end of the line", "nh6"),
        ("route fd00::/64 encap seg6local action End.DX4 nh6 fd00::1", "nh6", "nh4"),
        ("route fd00::/64 encap seg6local action End.DX4 nh4 fd00::1", "fd00::1", "an IPv4 address"),
        ("route fd00::/64 encap seg6local action End.T dev p0", "dev", "table"),
        ("route fd00::/64 encap seg6local action End.DT6 table main", "main", "a number"),
        ("route fd00::/64 encap seg6local action End.DT4", "the end of the line", "table"),
        ("route fd00::/64 encap seg6local action End.DT46 vrftable 100", "vrftable", "table"),
        ("blackhole", "the end of the line", "a prefix"),
        ("blackhole fd00::/64 dev p0", "dev", "the end of the line"),
        ("tunsrc", "the end of the line", "an IPv6 address"),
        ("tunsrc 10.0.0.1", "10.0.0.1", "an IPv6 address"),
        ("tunsrc fcff::1 fcff::2", "fcff::2", "the end of the line"),
    ])
    func errorsNameTheLineAndTheWord(line: String, found: String, expected: String) {
        #expect(throws: ConfigurationError(field: "line 5", found: found, expected: expected)) {
            _ = try NetworkScript(Self.links + "# third\n\n" + line + "\nnonsense")
        }
    }
}
