// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// An address as a message shows it.
struct HeldAddress: Equatable {
    var address: InterfaceAddress
    /// One local address may be there several times, each time with another peer.
    var peer: IPAddress
}

/// Decodes the payload of RTM_NEWADDR and RTM_DELADDR.
///
/// *Layout*: `struct ifaddrmsg` (family 0, prefix length 1, flags 2, scope 3, index 4), then IFA_* attributes.
/// On a point-to-point link IFA_LOCAL is the node's own address and IFA_ADDRESS the peer's; IPv6 leaves IFA_LOCAL
/// out where there is no peer.
/// *Returns*: nil for what is malformed and for other families.
func decodeAddress(_ payload: RawSpan) -> HeldAddress? {
    guard payload.byteCount >= 8, let index = payload.linkIndex(at: 4), index > 0 else { return nil }
    let family = Int32(payload.u8(at: 0))
    let prefixLength = Int(payload.u8(at: 1))
    guard let most = addressBitCount(family: family), prefixLength <= most else { return nil }
    var local: IPAddress?
    var peer: IPAddress?
    payload.forEachAttribute(from: 8) { type, value in
        guard value.byteCount * 8 == most else { return }
        switch type {
        case IFA_LOCAL: local = value.address
        case IFA_ADDRESS: peer = value.address
        default: break
        }
    }
    guard let address = local ?? peer else { return nil }
    return HeldAddress(
        address: InterfaceAddress(linkIndex: index, address: address, prefixLength: prefixLength), peer: peer ?? address
    )
}

/// Decodes the payload of RTM_NEWNEIGH and RTM_DELNEIGH.
///
/// *Layout*: `struct ndmsg` (family 0, index 4, state 8, flags 10, type 11), then NDA_* attributes.
/// *Returns*: nil for what is malformed, for other families (a bridge's forwarding table), for proxy entries, which are
/// addresses that the node answers for, and for multicast, broadcast and loopback entries, which the kernel makes up
/// without notice.
func decodeNeighbor(_ payload: RawSpan) -> Neighbor? {
    guard payload.byteCount >= 12, let index = payload.linkIndex(at: 4), index > 0, let state = payload.host16(at: 8),
        let bitCount = addressBitCount(family: Int32(payload.u8(at: 0))), payload.u8(at: 10) & UInt8(NTF_PROXY) == 0
    else { return nil }
    var destination: IPAddress?
    var mac: MACAddress?
    payload.forEachAttribute(from: 12) { type, value in
        switch type {
        case NDA_DST where value.byteCount * 8 == bitCount: destination = value.address
        case NDA_LLADDR where value.byteCount == 6: mac = value.macAddress(at: 0)
        default: break
        }
    }
    guard let destination else { return nil }
    if Int32(state) & NUD_NOARP != 0, mac.map({ $0.isGroup || $0.value == 0 }) ?? true { return nil }
    let usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP
    let key = Neighbor.Key(linkIndex: index, address: destination)
    return Neighbor(
        key: key, mac: Int32(state) & usable != 0 ? mac : nil,
        isPermanent: Int32(state) & (NUD_PERMANENT | NUD_NOARP) != 0)
}

/// Bits of an address of `family`, nil for families other than IPv4 and IPv6.
func addressBitCount(family: Int32) -> Int? {
    switch family {
    case AF_INET: 32
    case AF_INET6: 128
    default: nil
    }
}
