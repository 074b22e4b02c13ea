// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@testable import Netlink

/// When notifications put other things in doubt.
struct PictureTests {
    private func picture(after messages: [String], on picture: Picture = Picture()) -> Picture {
        var picture = picture
        for message in messages { unsafe octets(message).span.bytes.forEachMessage { picture.apply($0, $1) } }
        return picture
    }

    /// The message with another type.
    private func retyped(_ message: String, _ type: UInt8) -> String {
        var octets = octets(message)
        octets[4] = type
        return octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func newsOfALinkAreNoDoubtWhenTheyChangeNothing() {
        let once = picture(after: [Vector.linkdown])
        #expect(once.doubts.isEmpty)
        #expect(picture(after: [Vector.linkdown], on: once).doubts.isEmpty)
        // RTM_DELLINK
        #expect(picture(after: [retyped(Vector.linkdown, 17)], on: once).doubts == .routes)
        #expect(picture(after: [retyped(Vector.linkdown, 17)]).doubts.isEmpty)
    }

    @Test func notificationsOlderThanADumpAreDoubts() {
        var dumped = picture(after: [Vector.linkdown, Vector.address4])
        dumped.doubts = []
        dumped.replaceLinks(with: [])
        #expect(picture(after: [retyped(Vector.linkdown, 17)], on: dumped).doubts == .routes)
        #expect(picture(after: [Vector.address4], on: dumped).doubts == .routes4)
        #expect(picture(after: [retyped(Vector.address4, 21)], on: dumped).doubts == .routes4)
        dumped.caughtUp()
        #expect(picture(after: [retyped(Vector.linkdown, 17)], on: dumped).doubts.isEmpty)
        #expect(picture(after: [Vector.address4], on: dumped).doubts.isEmpty)
    }

    @Test func aLinkTakesItsAddressesAndNeighborsAlong() {
        var held = picture(after: [Vector.linkdown, Vector.address4, Vector.neighbor])
        _ = held.takeChanges()
        // Both are on link 3, which was never announced: its removal tells nothing.
        #expect(picture(after: [retyped(Vector.linkdown, 17)], on: held).doubts.contains(.routes))
        var link = octets(Vector.linkdown)
        link[16 + 4] = 3
        let hex = link.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        var gone = picture(after: [hex, retyped(hex, 17)], on: held)
        let removed: [NetworkChange] = [
            .addressRemoved(InterfaceAddress(linkIndex: 3, address: ip("192.0.2.9"), prefixLength: 31)),
            .neighborRemoved(Neighbor.Key(linkIndex: 3, address: ip("fd00::2"))),
        ]
        #expect(gone.takeChanges() == removed)
    }

    @Test func rulesAreDumpedAnew() { #expect(picture(after: [Vector.rule]).doubts == .rules) }

    @Test func oneBatchTellsInOrder() {
        var picture = picture(after: [Vector.encap, Vector.neighbor, Vector.address4, Vector.linkdown])
        picture.setTunnelSource(.unspecified)
        picture.replaceRules(with: [])
        let changes = picture.takeChanges()
        #expect(changes.count == 6)
        if case .link = changes[0], case .address = changes[1], case .neighbor = changes[2],
            case .tunnelSource = changes[3], changes[4] == .policyRouting(ipv4: true, ipv6: true),
            case .route = changes[5]
        {
        } else {
            Issue.record("\(changes)")
        }
        #expect(picture.takeChanges().isEmpty)
    }
}
