// SPDX-License-Identifier: Apache-2.0
import Bench
import Dataplane
import SRv6
import Testing
import Wire

@Suite("Plain forwarding")
struct ForwardTests {
    @Test("IPv6: hop limit down by one, the rest untouched")
    func ipv6() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1")
        let packet = customer6()
        var expected = packet
        expected[7] = 63
        #expect(try scene.forwarded(packet) == expected)
        #expect(scene.unaccounted == 0)
    }

    @Test("IPv4: TTL down by one, checksum right, the rest untouched")
    func ipv4() throws {
        let scene = try Scene("route 10.8.0.0/16 via 10.0.2.2 dev p1")
        let packet = customer4()
        let out = try scene.forwarded(packet)
        #expect(out == customer4(timeToLive: 63))
    }

    @Test("every IPv4 checksum survives the decrement", arguments: 0..<512)
    func ipv4Checksum(_ identification: Int) throws {
        var octets = customer4()
        var span = octets.mutableSpan
        var buffer = unsafe span.mutableBytes
        IPv4(
            payloadLength: 28, identification: UInt16(truncatingIfNeeded: identification &* 40503), timeToLive: 2,
            nextHeader: 17, source: v4("10.1.0.2"), destination: v4("10.8.0.2")
        ).emit(into: &buffer, at: 0)
        IPv4View.decrementTimeToLive(&buffer, at: 0)
        let valid = unsafe IPv4View(octets.span.bytes)?.isChecksumValid
        #expect(valid == true)
    }

    @Test("a destination on the link goes to its own neighbor")
    func connected() throws {
        let scene = try Scene()
        _ = try scene.forwarded(customer6(to: "fcf0:2::3"), to: 0x0200_0000_0203)
    }

    @Test("Ethernet padding is not forwarded")
    func padding() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1")
        let packet = customer6(payload: 1)
        let out = try scene.forwarded(packet + [UInt8](repeating: 0, count: 9))
        #expect(out.count == packet.count)
    }

    @Test("the kernel gets what needs more than forwarding, as it came")
    func punts() throws {
        let scene = try Scene(
            """
            route fd00:8::/64 via fcf0:2::2 dev p1
            route 10.8.0.0/16 via 10.0.2.2 dev p1
            route fd00:9::/64 via fcf0:2::9 dev p1
            route fd00:a::/64 dev other
            """)
        let cases: [(String, [UInt8])] = [
            ("hop limit 1", customer6(hopLimit: 1)), ("TTL 1", customer4(timeToLive: 1)),
            ("too big", customer6(payload: 1500)), ("unresolved neighbor", customer6(to: "fd00:9::2")),
            ("unresolved on the link", customer6(to: "fcf0:2::77")), ("no route", customer6(to: "fd00:77::1")),
            ("not a port", customer6(to: "fd00:a::1")), ("link-local", customer6(to: "fe80::1")),
            ("multicast", customer6(to: "ff02::1")), ("IPv4 multicast", customer4(to: "224.0.0.5")),
            ("loopback", customer4(to: "127.0.0.1")),
        ]
        for (name, packet) in cases {
            #expect(scene.send(packet) == .punted(octets: scene.factory.frame(packet)), "\(name)")
        }
        #expect(scene.dataplane.workers()[0].punted == UInt64(cases.count))
        #expect(scene.unaccounted == 0)
    }

    @Test("a blackhole route drops, with its reason")
    func blackhole() throws {
        let scene = try Scene("blackhole fd00:8::/64")
        #expect(scene.send(customer6()) == .dropped)
        #expect(scene.drops == [.blackhole: 1])
    }

    @Test("broken packets are dropped with the reason that fits")
    func broken() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1\nroute 10.8.0.0/16 via 10.0.2.2 dev p1")
        func expect(_ reason: DropReason, _ frame: [UInt8], _ name: String) {
            let before = scene.drops[reason] ?? 0
            #expect(scene.driver.process(frame, port: 0) == .dropped, "\(name)")
            #expect(scene.drops[reason] == before + 1, "\(name): \(scene.drops)")
        }
        expect(.truncated, [0x02, 0, 0, 0], "Ethernet cut short")
        expect(.truncated, Array(scene.factory.frame(customer6()).prefix(14 + 39)), "IPv6 header cut short")
        expect(.truncated, Array(scene.factory.frame(customer6()).dropLast()), "IPv6 payload cut short")
        expect(.truncated, Array(scene.factory.frame(customer4()).dropLast()), "IPv4 payload cut short")
        var version = scene.factory.frame(customer6())
        version[14] = 0x59
        expect(.badVersion, version, "IPv6 version 5")
        var checksum = scene.factory.frame(customer4())
        checksum[14 + 10] ^= 1
        expect(.badIPv4Checksum, checksum, "IPv4 checksum")
        var source = scene.factory.frame(customer6())
        source[14 + 8] = 0xff
        expect(.badSource, source, "multicast source")
        #expect(scene.unaccounted == 0)
    }

    @Test("route changes take effect, most specific first, and go away again")
    func changes() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1")
        _ = try scene.forwarded(customer6())
        let specific = Route(
            key: Route.Key(table: Route.mainTable, prefix: IPPrefix("fd00:8::2/128")!, metric: 1, linkIndex: 2),
            kind: .unicast, nextHops: [NextHop(linkIndex: 2, gateway: .v6(v6("fcf0:2::3")))])
        scene.dataplane.apply([.route(specific)])
        _ = try scene.forwarded(customer6(), to: 0x0200_0000_0203)
        scene.dataplane.apply([.routeRemoved(specific.key)])
        _ = try scene.forwarded(customer6())
        let neighbor = Neighbor.Key(linkIndex: 2, address: .v6(v6("fcf0:2::2")))
        scene.dataplane.apply([.neighborRemoved(neighbor)])
        #expect(scene.send(customer6()) == .punted(octets: scene.factory.frame(customer6())))
        scene.dataplane.apply([.neighbor(Neighbor(key: neighbor, mac: MACAddress(0x0200_0000_0299)))])
        _ = try scene.forwarded(customer6(), to: 0x0200_0000_0299)
    }

    @Test("rules that select tables leave a family to the kernel")
    func policyRouting() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1")
        scene.dataplane.apply([.policyRouting(ipv4: false, ipv6: true)])
        #expect(scene.send(customer6()) == .punted(octets: scene.factory.frame(customer6())))
        scene.dataplane.apply([.policyRouting(ipv4: false, ipv6: false)])
        _ = try scene.forwarded(customer6())
    }

    @Test("a full transmit ring drops and is counted")
    func ringFull() throws {
        let scene = try Scene("route fd00:8::/64 via fcf0:2::2 dev p1") { $0.ringSize = 64 }
        let frame = scene.factory.frame(customer6())
        var taken = 0
        for _ in 0..<4 {
            for _ in 0..<32 where unsafe scene.driver.deliver(frame.span.bytes, port: 0) { taken += 1 }
            scene.driver.turn()
        }
        #expect(taken > 64)
        #expect(scene.drops[.transmitRingFull] == UInt64(taken - 64))
        #expect(scene.unaccounted == 0)
    }

    @Test("the punt's rate is limited")
    func puntLimit() throws {
        let scene = try Scene("") { $0.puntRate = 50 }
        let packet = customer6(to: "fd00:77::1")
        for _ in 0..<20 { _ = scene.send(packet) }
        #expect(scene.dataplane.workers()[0].punted == 5)
        #expect(scene.drops == [.puntLimit: 15])
    }
}
