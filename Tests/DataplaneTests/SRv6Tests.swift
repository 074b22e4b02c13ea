// SPDX-License-Identifier: Apache-2.0
import Bench
import Dataplane
import SRv6
import Testing
import Wire

@Suite("SRv6 behaviors")
struct SRv6Tests {
    static let headend = """
        route fcff::/16 via fcf0:2::2 dev p1
        route fd00:8::/64 encap seg6 mode encap segs fcff:2::1,fcff:8::100 dev p1
        route fd00:9::/64 encap seg6 mode encap.red segs fcff:2::1,fcff:8::100 dev p1
        route fd00:a::/64 encap seg6 mode encap.red segs fcff:8::100 dev p1
        route 10.8.0.0/16 encap seg6 mode encap segs fcff:2::1,fcff:8::400 dev p1
        """

    static let endpoint = """
        route fcff::/16 via fcf0:2::2 dev p1
        route fd00:8::/64 via fcf0:2::2 dev p1
        route fd00:9::/64 via fcf0:2::3 dev p1 table 100
        route 10.8.0.0/16 via 10.0.2.2 dev p1
        route fcff:1::1/128 encap seg6local action End dev p0
        route fcff:1::2/128 encap seg6local action End.X nh6 fcf0:2::3 dev p0
        route fcff:1::100/128 encap seg6local action End.DT6 table 254 dev p0
        route fcff:1::101/128 encap seg6local action End.DT6 table 100 dev p0
        route fcff:1::600/128 encap seg6local action End.DX6 nh6 fcf0:2::3 dev p0
        route fcff:1::400/128 encap seg6local action End.DX4 nh4 0.0.0.0 dev p0
        """

    static func arriving(
        _ inner: [UInt8], to sid: String, listed: String, left: UInt8, trafficClass: UInt8 = 0, hopLimit: UInt8 = 61
    ) -> [UInt8] {
        PacketFactory.encapsulated(
            inner, from: v6("fcff:9::1"), to: v6(sid), listed: list(listed).segments, segmentsLeft: left,
            trafficClass: trafficClass, hopLimit: hopLimit)
    }

    @Test("H.Encaps of IPv6: outer header and SRH as the kernel writes them")
    func encaps6() throws {
        let scene = try Scene(Self.headend)
        let inner = customer6()
        let out = try scene.forwarded(inner)
        // The mark is cleared: 0xb9 without 0x0c. The inner packet keeps its hop limit.
        var expected = PacketFactory.encapsulated(
            inner, from: v6("fcff:1::1"), to: v6("fcff:2::1"), listed: list("fcff:2::1,fcff:8::100").segments,
            segmentsLeft: 1, trafficClass: 0xb1, hopLimit: 63)
        expected[1] |= 0x01
        expected[2] = 0x23
        expected[3] = 0x45
        #expect(out == expected)
    }

    @Test("H.Encaps.Red leaves the first segment out")
    func encapsRed() throws {
        let scene = try Scene(Self.headend)
        let two = try scene.forwarded(customer6(to: "fd00:9::2"))
        #expect(two.count == customer6().count + 40 + 24)
        #expect(Array(two[40..<48]) == [41, 2, 4, 1, 0, 0, 0, 0])
        let one = try scene.forwarded(customer6(to: "fd00:a::2"))
        #expect(one.count == customer6().count + 40)
        #expect(one[6] == 41)
        #expect(Array(one[40...]) == customer6(to: "fd00:a::2"))
    }

    @Test("H.Encaps of IPv4: traffic class and label zero, hop limit 63, inner TTL as it was")
    func encaps4() throws {
        let scene = try Scene(Self.headend)
        let inner = customer4()
        let out = try scene.forwarded(inner)
        #expect(Array(out[0..<8]) == [0x60, 0, 0, 0, 0, UInt8(40 + inner.count), 43, 63])
        #expect(out[40] == 4)
        #expect(Array(out[80...]) == inner)
    }

    @Test("the widest policy fits in front of the largest packet")
    func sixteen() throws {
        let sids = (1...16).map { "fcff:\($0)::1" }.joined(separator: ",")
        let scene = try Scene(
            "route fcff::/16 via fcf0:2::2 dev p1\nroute fd00:8::/64 encap seg6 mode encap segs \(sids) dev p1")
        let inner = customer6(payload: 1100)
        let out = try scene.forwarded(inner)
        #expect(out.count == inner.count + 40 + 8 + 256)
        guard let srh = unsafe SRHView(out.span.bytes.extracting(40..<out.count)) else {
            Issue.record("no SRH")
            return
        }
        let segments = SRH(srh).segments
        #expect(segments == list(sids).segments)
    }

    @Test("the headend leaves to the kernel what it cannot finish, untouched")
    func headendPunts() throws {
        let scene = try Scene(Self.headend + "\nroute fd00:b::/64 encap seg6 mode inline segs fcff:2::1 dev p1")
        for packet in [customer6(hopLimit: 1), customer6(payload: 1400), customer6(to: "fd00:b::1")] {
            #expect(scene.send(packet) == .punted(octets: scene.factory.frame(packet)))
        }
        // An IPv4 packet is encapsulated with whatever TTL it has: it is not forwarded before.
        #expect(try scene.forwarded(customer4(timeToLive: 1))[80 + 8] == 1)
    }

    @Test("End: next segment, hop limit down, inner untouched")
    func end() throws {
        let scene = try Scene(Self.endpoint)
        let packet = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1)
        let out = try scene.forwarded(packet)
        #expect(
            out
                == Self.arriving(
                    customer6(), to: "fcff:8::100", listed: "fcff:1::1,fcff:8::100", left: 0, hopLimit: 60))
        #expect(
            scene.dataplane.localSIDs().first { $0.prefix.description == "fcff:1::1/128" }?.processed
                == PacketCount(packets: 1, octets: UInt64(packet.count)))
    }

    @Test("End of a reduced list: Segments Left one past the last entry is legal")
    func endReduced() throws {
        let scene = try Scene(Self.endpoint)
        let packet = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:8::100", left: 1)
        let out = try scene.forwarded(packet)
        #expect(out[40 + 3] == 0)
        #expect(Array(out[24..<40]) == Array(out[48..<64]))
    }

    @Test("End.X sends to its neighbor, whatever the route")
    func endX() throws {
        let scene = try Scene(Self.endpoint)
        let packet = Self.arriving(customer6(), to: "fcff:1::2", listed: "fcff:1::2,fcff:8::100", left: 1)
        _ = try scene.forwarded(packet, to: 0x0200_0000_0203)
    }

    @Test(
        "End.DT6 and End.DX6 take the outer header off",
        arguments: [
            ("fcff:1::100", "fd00:8::2", UInt64(0x0200_0000_0202)), ("fcff:1::101", "fd00:9::2", 0x0200_0000_0203),
            ("fcff:1::600", "fd00:77::2", 0x0200_0000_0203),
        ])
    func decapsulate6(_ sid: String, _ destination: String, _ mac: UInt64) throws {
        let scene = try Scene(Self.endpoint)
        let inner = customer6(to: destination, hopLimit: 33)
        var expected = inner
        expected[7] = 32
        #expect(
            try scene.forwarded(Self.arriving(inner, to: sid, listed: "fcff:1::1,\(sid)", left: 0), to: mac) == expected
        )
        let plain = PacketFactory.encapsulated(inner, from: v6("fcff:9::1"), to: v6(sid), listed: [], segmentsLeft: 0)
        #expect(try scene.forwarded(plain, to: mac) == expected, "without an SRH")
    }

    @Test("End.DX4 takes the outer header off IPv4")
    func decapsulate4() throws {
        let scene = try Scene(Self.endpoint)
        let packet = Self.arriving(customer4(), to: "fcff:1::400", listed: "fcff:1::1,fcff:1::400", left: 0)
        #expect(try scene.forwarded(packet) == customer4(timeToLive: 63))
    }

    @Test("destination options in front of the SRH are walked")
    func destinationOptions() throws {
        let scene = try Scene(Self.endpoint)
        var packet = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1)
        packet.insert(contentsOf: [43, 0, 1, 4, 0, 0, 0, 0], at: 40)
        packet[5] += 8
        packet[6] = 60
        let out = try scene.forwarded(packet)
        #expect(out[48 + 3] == 0)
        var chain = packet
        chain.insert(contentsOf: (0..<5).flatMap { _ in [60, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }, at: 40)
        chain[5] += 40
        #expect(scene.send(chain) == .punted(octets: scene.factory.frame(chain)), "more than the walk passes")
    }

    @Test("what contradicts itself at a SID is dropped with the reason that fits")
    func contradictions() throws {
        let scene = try Scene(Self.endpoint)
        func expect(_ reason: DropReason, _ packet: [UInt8], _ name: String) {
            let before = scene.drops[reason] ?? 0
            #expect(scene.send(packet) == .dropped, "\(name)")
            #expect(scene.drops[reason] == before + 1, "\(name): \(scene.drops)")
        }
        let good = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1)
        func changed(_ offset: Int, _ value: UInt8, _ packet: [UInt8]) -> [UInt8] {
            var packet = packet
            packet[offset] = value
            return packet
        }
        expect(.badSRH, changed(43, 3, good), "Segments Left beyond the list")
        expect(.badSRH, changed(44, 9, good), "Last Entry beyond the header")
        expect(.badSRH, changed(41, 200, good), "header longer than the packet")
        expect(.badSRH, changed(42, 2, good), "another routing type")
        expect(.noSegmentsLeft, changed(43, 0, good), "no segments left at End")
        expect(
            .noSegmentsLeft,
            PacketFactory.encapsulated(
                customer6(), from: v6("fcff:9::1"), to: v6("fcff:1::1"), listed: [], segmentsLeft: 0),
            "no SRH at End")
        let last = Self.arriving(customer6(), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0)
        expect(.segmentsLeft, changed(43, 1, last), "segments left at End.DT6")
        expect(.unexpectedPayload, changed(40, 17, last), "UDP at End.DT6")
        expect(
            .unexpectedPayload,
            Self.arriving(customer4(), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0), "IPv4 at End.DT6")
        expect(.badInnerPacket, changed(80, 0x50, last), "inner version")
        expect(.badInnerPacket, changed(85, 0xff, last), "inner payload longer than the outer")
        #expect(scene.unaccounted == 0)
    }

    @Test("keyed hashes, expired packets and local inner destinations are the kernel's, untouched")
    func endpointPunts() throws {
        let scene = try Scene(Self.endpoint)
        let good = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1)
        var keyed = good
        keyed[45] = 0x08
        let expired = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:8::100", left: 1, hopLimit: 1)
        let nested = Self.arriving(customer6(), to: "fcff:1::1", listed: "fcff:1::1,fcff:1::100", left: 1)
        let inner = Self.arriving(
            customer6(hopLimit: 1), to: "fcff:1::100", listed: "fcff:1::1,fcff:1::100", left: 0)
        for packet in [keyed, expired, nested, inner] {
            #expect(scene.send(packet) == .punted(octets: scene.factory.frame(packet)))
        }
    }

    @Test("the tunnel source is followed, and without one the kernel encapsulates")
    func tunnelSource() throws {
        let scene = try Scene(Self.headend)
        scene.dataplane.apply([.tunnelSource(v6("fcff:1::77"))])
        #expect(
            try Array(scene.forwarded(customer6())[8..<24]) == [
                0xfc, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77,
            ])
        scene.dataplane.apply([.tunnelSource(.unspecified)])
        #expect(scene.send(customer6()) == .punted(octets: scene.factory.frame(customer6())))
    }

    @Test("flow label modes: copy, hash, zero")
    func flowLabel() throws {
        let scene = try Scene(Self.headend)
        func label(_ packet: [UInt8]) throws -> UInt32 {
            let out = try scene.forwarded(packet)
            return UInt32(out[1] & 0xf) << 16 | UInt32(out[2]) << 8 | UInt32(out[3])
        }
        #expect(try label(customer6()) == 0x12345)
        scene.dataplane.setFlowLabelMode(-1)
        #expect(try label(customer6()) == 0)
        scene.dataplane.setFlowLabelMode(1)
        let hashed = try label(customer6())
        #expect(hashed != 0)
        #expect(try label(customer6()) == hashed)
        #expect(try label(customer6(to: "fd00:8::3")) != hashed)
    }
}
