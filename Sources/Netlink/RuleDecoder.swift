// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// What matters of a routing rule.
struct Rule: Equatable {
    var family: Int32
    var priority: UInt32
    var table: UInt32
    /// Matches every packet and sends it to a table, no ifs.
    var isPlain: Bool
    /// Sends packets of a VRF to the VRF's table; without a VRF it matches nothing.
    var isL3Master: Bool
}

/// Decodes the payload of RTM_NEWRULE.
///
/// *Layout*: `struct fib_rule_hdr` (family 0, destination length 1, source length 2, TOS 3, table 4, action 7,
/// flags 8), then FRA_* attributes.
/// *Returns*: nil for what is malformed and for other families. An attribute that is not known here makes the rule
/// anything but plain: it may be a selector.
func decodeRule(_ payload: RawSpan) -> Rule? {
    guard payload.byteCount >= 12, let flags = payload.host32(at: 8) else { return nil }
    let family = Int32(payload.u8(at: 0))
    guard addressBitCount(family: family) != nil else { return nil }
    var rule = Rule(
        family: family, priority: 0, table: UInt32(payload.u8(at: 4)), isPlain: true, isL3Master: false)
    let unset = UInt32.max
    rule.isPlain =
        payload.u8(at: 1) == 0 && payload.u8(at: 2) == 0 && payload.u8(at: 3) == 0
        && Int(payload.u8(at: 7)) == FR_ACT_TO_TBL && flags & UInt32(FIB_RULE_INVERT) == 0
    payload.forEachAttribute(from: 12) { type, value in
        switch type {
        case FRA_PRIORITY: rule.priority = value.host32() ?? 0
        case FRA_TABLE: rule.table = value.host32() ?? rule.table
        case FRA_L3MDEV: rule.isL3Master = value.byteCount > 0 && value.u8(at: 0) != 0
        case FRA_SUPPRESS_PREFIXLEN, FRA_SUPPRESS_IFGROUP:
            if value.host32() != unset { rule.isPlain = false }
        case FRA_PROTOCOL, FRA_PAD: break
        default: rule.isPlain = false
        }
    }
    return rule
}

/// Whether a family's rules do something else than look into local, then main (then default, for IPv4).
///
/// A missing local or main rule counts as well: forwarding by the main table would be wrong without it.
func isPolicyRouting(_ rules: [Rule]) -> Bool {
    var hasLocal = false
    var hasMain = false
    for rule in rules where !rule.isL3Master {
        switch (rule.isPlain, rule.priority, rule.table) {
        case (true, 0, Route.localTable): hasLocal = true
        case (true, 32766, Route.mainTable): hasMain = true
        case (true, 32767, RT_TABLE_DEFAULT.rawValue): break
        default: return true
        }
    }
    return !hasLocal || !hasMain
}
