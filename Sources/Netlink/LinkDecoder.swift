// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// A link as a message shows it.
struct HeldLink: Equatable {
    var link: Link
    /// The bits of `ifi_flags` that routes come and go with; `Link.isUp` does not show them one by one.
    var flags: UInt32
}

/// Decodes the payload of RTM_NEWLINK and RTM_DELLINK.
///
/// *Layout*: `struct ifinfomsg` (family 0, type 2, index 4, flags 8, change 12), then IFLA_* attributes.
/// *Returns*: nil for what is malformed, and for messages about a bridge's ports (family AF_BRIDGE): one of those
/// with RTM_DELLINK says that a port left its bridge, not that the link is gone.
func decodeLink(_ payload: RawSpan) -> HeldLink? {
    guard payload.byteCount >= 16, payload.u8(at: 0) == AF_UNSPEC, let index = payload.linkIndex(at: 4), index > 0,
        let flags = payload.host32(at: 8)
    else { return nil }
    var link = Link(index: index, name: "", mac: MACAddress(0), mtu: 0, isUp: false)
    var operationalState = OperationalState.unknown
    payload.forEachAttribute(from: 16) { type, value in
        switch type {
        case IFLA_IFNAME: link.name = value.text
        case IFLA_ADDRESS where value.byteCount == 6: link.mac = value.macAddress(at: 0)
        case IFLA_MTU: link.mtu = Int(value.host32() ?? 0)
        case IFLA_MASTER: link.master = value.linkIndex()
        case IFLA_OPERSTATE where value.byteCount == 1: operationalState = value.u8(at: 0)
        case IFLA_LINKINFO:
            value.forEachAttribute { type, value in
                if type == IFLA_INFO_KIND { link.kind = value.text }
            }
        default: break
        }
    }
    let isOperational = operationalState == OperationalState.up || operationalState == OperationalState.unknown
    link.isUp = flags & InterfaceFlag.up != 0 && flags & InterfaceFlag.lowerUp != 0 && isOperational
    link.isLoopback = flags & InterfaceFlag.loopback != 0
    return HeldLink(link: link, flags: flags & (InterfaceFlag.up | InterfaceFlag.running | InterfaceFlag.lowerUp))
}

/// Bits of `ifi_flags`; <linux/if.h> cannot be imported next to the C library's <net/if.h>.
enum InterfaceFlag {
    static let up: UInt32 = 1 << 0
    static let loopback: UInt32 = 1 << 3
    /// Operational.
    static let running: UInt32 = 1 << 6
    /// The driver sees a carrier.
    static let lowerUp: UInt32 = 1 << 16
}

/// RFC 2863 operational states, IF_OPER_* of <linux/if.h>.
private enum OperationalState {
    /// The driver does not say.
    static let unknown: UInt8 = 0
    static let up: UInt8 = 6
}
