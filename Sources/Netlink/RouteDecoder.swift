// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// Routes of one table, prefix and metric: what one notification may be about.
struct RouteGroupKey: Hashable {
    var table: UInt32
    var prefix: IPPrefix
    var metric: UInt32
}

/// A next hop as a message shows it.
struct HeldNextHop: Hashable {
    var nextHop: NextHop
    /// RTNH_F_DEAD or RTNH_F_LINKDOWN: the kernel holds on to it and does not use it.
    var isDead: Bool

    /// An order of the next hops of one route that does not depend on who tells: of IPv6 routes a notification begins
    /// with the newest, a dump with the oldest.
    static func precedes(_ left: HeldNextHop, _ right: HeldNextHop) -> Bool {
        let (first, second) = (left.nextHop, right.nextHop)
        let (from, to) = (first.gateway?.mapped ?? .unspecified, second.gateway?.mapped ?? .unspecified)
        if from != to { return (from.high, from.low) < (to.high, to.low) }
        if first.linkIndex != second.linkIndex { return first.linkIndex < second.linkIndex }
        return "\(first.encapsulation)" < "\(second.encapsulation)"
    }

    /// Whether both are the same way out, as the kernel tells next hops of one route apart: the notification about
    /// one of several leaves out the weight.
    func isSameWay(as other: HeldNextHop) -> Bool {
        nextHop.linkIndex == other.nextHop.linkIndex && nextHop.gateway == other.nextHop.gateway
            && nextHop.encapsulation == other.nextHop.encapsulation
    }
}

/// A route as a message shows it, the group aside.
struct HeldRoute: Hashable {
    var kind: Route.Kind
    /// `Route.Key.linkIndex`.
    var linkIndex: Int
    /// A source prefix or a traffic class that packets must have besides the destination. Such a route is of kind
    /// `other`.
    var selector: String?
    /// Made from a nexthop object, whose changes are not announced route by route.
    var hasNexthopObject: Bool
    /// Dead ones too.
    var nextHops: [HeldNextHop]

    /// Whether no next hop is left to use.
    var isDead: Bool { !nextHops.isEmpty && nextHops.allSatisfy(\.isDead) }

    /// Whether every next hop of `other`, and nothing of another kind, is in here.
    func covers(_ other: HeldRoute) -> Bool {
        kind == other.kind && linkIndex == other.linkIndex && selector == other.selector
            && other.nextHops.allSatisfy { theirs in nextHops.contains { $0.isSameWay(as: theirs) } }
    }
}

/// Decodes the payload of RTM_NEWROUTE and RTM_DELROUTE.
///
/// *Layout*: `struct rtmsg` (family 0, destination length 1, source length 2, TOS 3, table 4, protocol 5, scope 6,
/// type 7, flags 8), then RTA_* attributes.
/// *Returns*: nil for what is malformed, for other families, and for clones (cached exceptions), which are not
/// routes.
func decodeRoute(_ payload: RawSpan) -> (key: RouteGroupKey, route: HeldRoute)? {
    guard payload.byteCount >= 12, let flags = payload.host32(at: 8), flags & UInt32(RTM_F_CLONED) == 0,
        let bitCount = addressBitCount(family: Int32(payload.u8(at: 0))), Int(payload.u8(at: 1)) <= bitCount
    else { return nil }
    var fields = RouteFields(table: UInt32(payload.u8(at: 4)), isIPv6: bitCount == 128)
    payload.forEachAttribute(from: 12) { type, value in fields.take(type, value) }
    let kind = routeKind(payload.u8(at: 7))
    if kind.hasNextHops && !fields.hasMultipath {
        let hop = NextHop(
            linkIndex: fields.linkIndex, gateway: fields.gateway, encapsulation: decodeEncapsulation(payload, from: 12))
        fields.nextHops = [HeldNextHop(nextHop: hop, isDead: isDead(flags))]
    } else if !kind.hasNextHops {
        fields.nextHops = []
    }
    return fields.assemble(kind: kind, prefixLength: Int(payload.u8(at: 1)), selector: selector(payload, fields.source))
}

/// The attributes of a route message, as they come.
private struct RouteFields {
    var table: UInt32
    var isIPv6: Bool
    var destination: IPAddress?
    var source: IPAddress?
    var metric: UInt32 = 0
    var linkIndex = 0
    var gateway: IPAddress?
    var hasMultipath = false
    var hasNexthopObject = false
    var nextHops: [HeldNextHop] = []

    mutating func take(_ type: Int, _ value: RawSpan) {
        switch rtattr_type_t(rawValue: UInt32(type)) {
        case RTA_DST: destination = value.address
        case RTA_SRC: source = value.address
        case RTA_PRIORITY: metric = value.host32() ?? 0
        case RTA_TABLE: table = value.host32() ?? table
        case RTA_OIF: linkIndex = value.linkIndex() ?? 0
        case RTA_GATEWAY: gateway = value.address
        case RTA_VIA: gateway = viaAddress(value)
        case RTA_NH_ID: hasNexthopObject = true
        case RTA_MULTIPATH:
            hasMultipath = true
            nextHops = decodeMultipath(value)
            if isIPv6 { nextHops.sort(by: HeldNextHop.precedes) }
        default: break
        }
    }

    /// The prefix and the place of the route among those of its group.
    ///
    /// IPv4 takes the first route of a prefix and metric and never looks at another while that one lives, so links
    /// do not tell its routes apart. IPv6 joins the routes with gateways into one, and keeps one for each link
    /// besides. A route with a selector goes before all others whatever its metric: it gets the best, zero.
    func assemble(
        kind: Route.Kind, prefixLength: Int, selector: String?
    ) -> (key: RouteGroupKey, route: HeldRoute)? {
        let zero: IPAddress = isIPv6 ? .v6(.unspecified) : .v4(IPv4Address(0))
        let address = destination ?? zero
        switch (address, isIPv6) {
        case (.v4, false), (.v6, true): break
        default: return nil
        }
        let isOnLink = isIPv6 && nextHops.count == 1 && nextHops[0].nextHop.gateway == nil
        let route = HeldRoute(
            kind: selector == nil ? kind : .other, linkIndex: isOnLink ? nextHops[0].nextHop.linkIndex : 0,
            selector: selector, hasNexthopObject: hasNexthopObject, nextHops: nextHops)
        let key = RouteGroupKey(
            table: table, prefix: IPPrefix(address, length: prefixLength), metric: selector == nil ? metric : 0)
        return (key, route)
    }
}

/// *Layout*: `struct rtnexthop` (length 0, flags 2, weight less one 3, index 4), its attributes, padding to 4 octets,
/// and so on.
private func decodeMultipath(_ payload: RawSpan) -> [HeldNextHop] {
    var hops: [HeldNextHop] = []
    var offset = 0
    while let length = payload.host16(at: offset), length >= 8, Int(length) <= payload.byteCount - offset {
        let entry = payload.extracting(offset..<offset + Int(length))
        var hop = NextHop(linkIndex: entry.linkIndex(at: 4) ?? 0, weight: Int(entry.u8(at: 3)) + 1)
        entry.forEachAttribute(from: 8) { type, value in
            switch rtattr_type_t(rawValue: UInt32(type)) {
            case RTA_GATEWAY: hop.gateway = value.address
            case RTA_VIA: hop.gateway = viaAddress(value)
            default: break
            }
        }
        hop.encapsulation = decodeEncapsulation(entry, from: 8)
        hops.append(HeldNextHop(nextHop: hop, isDead: isDead(UInt32(entry.u8(at: 2)))))
        offset += (Int(length) + 3) & ~3
    }
    return hops
}

/// *Layout*: `struct rtvia`: family in 2 octets, then the address.
private func viaAddress(_ value: RawSpan) -> IPAddress? {
    guard value.byteCount > 2 else { return nil }
    return value.extracting(2..<value.byteCount).address
}

private func isDead(_ flags: UInt32) -> Bool { flags & UInt32(RTNH_F_DEAD | RTNH_F_LINKDOWN) != 0 }

/// What a packet must have besides the destination.
private func selector(_ payload: RawSpan, _ source: IPAddress?) -> String? {
    let sourceLength = payload.u8(at: 2)
    let trafficClass = payload.u8(at: 3)
    if sourceLength != 0 { return "from \(source.map(\.description) ?? "?")/\(sourceLength)" }
    return trafficClass != 0 ? "tos \(trafficClass)" : nil
}

private func routeKind(_ type: UInt8) -> Route.Kind {
    switch Int(type) {
    case RTN_UNICAST: .unicast
    case RTN_LOCAL: .local
    case RTN_BROADCAST: .broadcast
    case RTN_ANYCAST: .anycast
    case RTN_MULTICAST: .multicast
    case RTN_BLACKHOLE: .blackhole
    case RTN_UNREACHABLE: .unreachable
    case RTN_PROHIBIT: .prohibit
    default: .other
    }
}

extension Route.Kind {
    /// IPv6 shows routes that discard with the loopback interface; it means nothing.
    fileprivate var hasNextHops: Bool {
        switch self {
        case .unicast, .local, .broadcast, .anycast, .multicast: true
        case .blackhole, .unreachable, .prohibit, .other: false
        }
    }
}
