// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@testable import Netlink

/// Decoders against what a kernel sent.
struct DecoderTests {
    /// Decodes the payload of the one message that `hex` is.
    private func decode<Value>(_ hex: String, _ decoder: (RawSpan) -> Value?) -> Value? {
        var value: Value?
        unsafe octets(hex).span.bytes.forEachMessage { _, payload in value = decoder(payload) }
        return value
    }

    private func route(_ hex: String) throws -> Route {
        let (key, route) = try #require(decode(hex, decodeRoute))
        return try #require(RouteTable.routes(of: [route], in: key).first)
    }

    private func localSID(_ hex: String) throws -> LocalSID {
        let route = try route(hex)
        guard case .seg6local(let sid) = try #require(route.nextHops.first).encapsulation else {
            Issue.record("no seg6local: \(route)")
            return LocalSID(behavior: .opaque)
        }
        #expect(route.nextHops.map(\.linkIndex) == [3] && route.key.linkIndex == 3)
        return sid
    }

    private func policy(_ hex: String) throws -> Policy? {
        guard case .seg6(let policy) = try #require(try route(hex).nextHops.first).encapsulation else { return nil }
        return policy
    }

    @Test func header() {
        var headers: [MessageHeader] = []
        let both = octets(Vector.rule) + octets(Vector.encap)
        unsafe both.span.bytes.forEachMessage { header, _ in headers.append(header) }
        #expect(headers.map(\.type) == [32, 24])
        #expect(headers.map(\.flags) == [0, 0x600])
    }

    @Test func link() throws {
        let held = try #require(decode(Vector.linkdown, decodeLink))
        #expect(held.link.index == 2 && held.link.name == "vb" && held.link.kind == "veth" && held.link.mtu == 1500)
        #expect(!held.link.isUp && !held.link.isLoopback && held.link.master == nil && held.link.mac.value != 0)
    }

    @Test func address() throws {
        let held = try #require(decode(Vector.address4, decodeAddress))
        #expect(held.address == InterfaceAddress(linkIndex: 3, address: ip("192.0.2.9"), prefixLength: 31))
        #expect(held.peer == ip("192.0.2.10"))
    }

    @Test func neighbor() {
        let key = Neighbor.Key(linkIndex: 3, address: ip("fd00::2"))
        #expect(
            decode(Vector.neighbor, decodeNeighbor)
                == Neighbor(key: key, mac: MACAddress("02:66:77:88:99:aa"), isPermanent: true))
        #expect(decode(Vector.neighborFailed, decodeNeighbor) == Neighbor(key: key, mac: nil))
    }

    @Test func rules() throws {
        let rule = try #require(decode(Vector.rule, decodeRule))
        #expect(rule.table == 100 && !rule.isPlain && !rule.isL3Master)
        func plain(_ priority: UInt32, _ table: UInt32) -> Rule {
            Rule(family: 2, priority: priority, table: table, isPlain: true, isL3Master: false)
        }
        let usual = [plain(0, 255), plain(32766, 254), plain(32767, 253)]
        #expect(!isPolicyRouting(usual))
        #expect(!isPolicyRouting(Array(usual.dropLast())))
        #expect(isPolicyRouting(usual + [rule]))
        #expect(isPolicyRouting(Array(usual.dropFirst())))
        #expect(isPolicyRouting(usual + [plain(100, 254)]))
    }

    @Test func policies() throws {
        let list = try #require(SegmentList("fcff:3::1,fcff:8::100"))
        #expect(try policy(Vector.encap) == Policy(segments: list, mode: .encap))
        #expect(try policy(Vector.encapRed) == Policy(segments: list, mode: .encapRed))
        // The SRH holds three: the slot for the packet's own destination is not part of the policy.
        #expect(try policy(Vector.inline) == Policy(segments: list, mode: .inline))
        let route = try route(Vector.encap)
        let prefix = try #require(IPPrefix("fc00:3::/64"))
        #expect(route.key == Route.Key(table: Route.mainTable, prefix: prefix, metric: 1024, linkIndex: 3))
        #expect(route.kind == .unicast)
    }

    @Test func localSIDs() throws {
        #expect(try localSID(Vector.end) == LocalSID(behavior: .end))
        #expect(try localSID(Vector.endX) == LocalSID(behavior: .endX, nextHop6: IPv6Address("fd00::2")))
        #expect(try localSID(Vector.endDT6) == LocalSID(behavior: .endDT6, table: 254))
        #expect(try localSID(Vector.endDX6) == LocalSID(behavior: .endDX6, nextHop6: IPv6Address("fd00::2")))
        #expect(try localSID(Vector.endDX4) == LocalSID(behavior: .endDX4, nextHop4: IPv4Address("10.0.0.2")))
        #expect(try localSID(Vector.endPSP) == LocalSID(behavior: .endPSP))
        #expect(try localSID(Vector.endNextCSID) == LocalSID(behavior: .end, kernelOnly: "flavor next-csid"))
        #expect(try localSID(Vector.endB6Encaps) == LocalSID(behavior: .endB6Encaps, kernelOnly: "End.B6.Encaps"))
    }

    @Test func flavorsThatThisKernelRefuses() {
        // Attributes as they would be: action 2 (End.X), nh6, flavors with the operations of `mask`.
        func sid(action: UInt32, mask: UInt32) -> LocalSID {
            var request = Request(type: 0, flags: 0, sequence: 0, fixed: [])
            request.append(1, Request.octets(of: action))
            request.append(5, Request.octets(of: ip("fd00::2")))
            var flavors = Request(type: 0, flags: 0, sequence: 0, fixed: [])
            flavors.append(1, Request.octets(of: mask))
            request.append(11, Array(flavors.octets.dropFirst(16)))
            return unsafe decodeSeg6Local(Array(request.octets.dropFirst(16)).span.bytes)
        }
        #expect(sid(action: 2, mask: 1 << 1).behavior == .endXPSP)
        #expect(sid(action: 2, mask: 1 << 1).kernelOnly == nil)
        #expect(sid(action: 1, mask: 1 << 3).kernelOnly == "flavor usd")
        #expect(
            sid(action: 1, mask: 1 << 2 | 1 << 1)
                == LocalSID(
                    behavior: .endPSP, nextHop6: IPv6Address("fd00::2"), kernelOnly: "flavor usp"))
        #expect(sid(action: 3, mask: 1 << 1).kernelOnly == "End.T without a table")
        #expect(sid(action: 5, mask: 1 << 1).kernelOnly == "flavor psp")
        #expect(sid(action: 15, mask: 0).kernelOnly == "End.BPF")
        #expect(sid(action: 99, mask: 1 << 9).kernelOnly == "flavor 9, action 99")
    }

    @Test func multipath() throws {
        let route = try route(Vector.multipath)
        let hops = try [("fcff::1", "fd00::2", 3, 2), ("fcff::2", "fd01::2", 2, 7)].map {
            segment, gateway, link, weight in
            NextHop(
                linkIndex: link, gateway: ip(gateway), weight: weight,
                encapsulation: .seg6(Policy(segments: try #require(SegmentList(segment)))))
        }
        #expect(route.nextHops == hops)
        #expect(route.key.linkIndex == 0)
    }

    @Test func specialRoutes() throws {
        let blackhole = try route(Vector.blackhole)
        #expect(blackhole.kind == .blackhole && blackhole.nextHops.isEmpty && blackhole.key.linkIndex == 0)
        #expect(blackhole.key.metric == 77)
        #expect(try route(Vector.ipip).nextHops == [NextHop(linkIndex: 3, encapsulation: .other("ip"))])
        let via = try route(Vector.via)
        #expect(via.nextHops == [NextHop(linkIndex: 3, gateway: ip("fd00::2"))] && via.key.table == 1000)
        // What also looks at other fields goes before everything else, to the kernel.
        for vector in [Vector.tos, Vector.from] {
            let route = try route(vector)
            #expect(route.kind == .other && route.nextHops.isEmpty && route.key.metric == 0)
        }
    }

    @Test func clonesAndOtherFamiliesAreNoRoutes() {
        var clone = octets(Vector.encap)
        // RTM_F_CLONED is bit 9 of the flags, which are at 8 of the payload.
        clone[16 + 9] |= 0x02
        unsafe clone.span.bytes.forEachMessage { #expect(decodeRoute($1) == nil) }
        var other = octets(Vector.encap)
        other[16] = 28
        unsafe other.span.bytes.forEachMessage { #expect(decodeRoute($1) == nil) }
    }

    @Test func bridgePortsLeavingAreNoLinksLeaving() {
        var message = octets(Vector.linkdown)
        message[16] = 7
        unsafe message.span.bytes.forEachMessage { #expect(decodeLink($1) == nil) }
    }
}

/// An address that is known to be one.
func ip(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("\(text) is no address") }
    return address
}

/// The octets that `hex` spells, white space aside.
func octets(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
