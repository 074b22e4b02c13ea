// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// Decodes the encapsulation among a route's or a next hop's attributes, which start at `offset`.
///
/// The kernel writes RTA_ENCAP before RTA_ENCAP_TYPE, so the type is looked for first.
func decodeEncapsulation(_ attributes: RawSpan, from offset: Int) -> Encapsulation {
    var type: UInt32 = 0
    attributes.forEachAttribute(from: offset) { attribute, value in
        if attribute == RTA_ENCAP_TYPE.rawValue { type = UInt32(value.host16() ?? 0) }
    }
    var encapsulation = encapsulationWithoutDetails(type)
    attributes.forEachAttribute(from: offset) { attribute, value in
        guard attribute == RTA_ENCAP.rawValue else { return }
        switch lwtunnel_encap_types(rawValue: type) {
        case LWTUNNEL_ENCAP_SEG6: encapsulation = decodeSeg6(value)
        case LWTUNNEL_ENCAP_SEG6_LOCAL: encapsulation = .seg6local(decodeSeg6Local(value))
        default: break
        }
    }
    return encapsulation
}

/// The name that `ip route` gives the encapsulation.
private func encapsulationWithoutDetails(_ type: UInt32) -> Encapsulation {
    switch lwtunnel_encap_types(rawValue: type) {
    case LWTUNNEL_ENCAP_NONE: .none
    case LWTUNNEL_ENCAP_MPLS: .other("mpls")
    case LWTUNNEL_ENCAP_IP: .other("ip")
    case LWTUNNEL_ENCAP_ILA: .other("ila")
    case LWTUNNEL_ENCAP_IP6: .other("ip6")
    case LWTUNNEL_ENCAP_SEG6: .other("seg6")
    case LWTUNNEL_ENCAP_BPF: .other("bpf")
    case LWTUNNEL_ENCAP_SEG6_LOCAL: .other("seg6local")
    case LWTUNNEL_ENCAP_RPL: .other("rpl")
    case LWTUNNEL_ENCAP_IOAM6: .other("ioam6")
    case LWTUNNEL_ENCAP_XFRM: .other("xfrm")
    default: .other("encapsulation \(type)")
    }
}

/// Decodes SEG6_IPTUNNEL_SRH.
///
/// *Layout*: `struct seg6_iptunnel_encap`: mode in 4 octets, host order, then the SRH as on the wire, whatever the
/// mode: a reduced mode holds the whole list too. For `inline` the last segment of the path (index 0) is a slot for
/// the packet's own destination. Attributes besides the SRH change the packet in ways that `Policy` cannot say.
private func decodeSeg6(_ attributes: RawSpan) -> Encapsulation {
    var result = Encapsulation.other("seg6")
    var surplus: Int?
    attributes.forEachAttribute { type, value in
        guard type == SEG6_IPTUNNEL_SRH else {
            surplus = type
            return
        }
        guard let number = value.host32(), value.byteCount > 4, let mode = encapsulationMode(number),
            let view = SRHView(value.extracting(4..<value.byteCount))
        else { return }
        let srh = SRH(view)
        let segments = mode == .inline ? Array(srh.segments.dropLast()) : srh.segments
        if srh.flags & SRHView.hmacFlag != 0 {
            result = .other("seg6 with hmac")
        } else if let list = SegmentList(segments) {
            result = .seg6(Policy(segments: list, mode: mode))
        } else {
            result = .other("seg6 with \(segments.count) segments")
        }
    }
    if let surplus { return .other("seg6 with attribute \(surplus)") }
    return result
}

private func encapsulationMode(_ number: UInt32) -> EncapsulationMode? {
    switch Int(number) {
    case SEG6_IPTUN_MODE_INLINE: .inline
    case SEG6_IPTUN_MODE_ENCAP: .encap
    case SEG6_IPTUN_MODE_L2ENCAP: .l2encap
    case SEG6_IPTUN_MODE_ENCAP_RED: .encapRed
    case SEG6_IPTUN_MODE_L2ENCAP_RED: .l2encapRed
    default: nil
    }
}

/// Decodes the attributes of `encap seg6local`.
func decodeSeg6Local(_ attributes: RawSpan) -> LocalSID {
    var sid = LocalSID(behavior: .opaque)
    var action = 0
    var flavors: UInt32 = 0
    var obstacles: [String] = []
    attributes.forEachAttribute { type, value in
        switch type {
        case SEG6_LOCAL_ACTION: action = Int(value.host32() ?? 0)
        case SEG6_LOCAL_TABLE, SEG6_LOCAL_VRFTABLE: sid.table = value.host32()
        case SEG6_LOCAL_NH4:
            if case .v4(let address) = value.address { sid.nextHop4 = address }
        case SEG6_LOCAL_NH6:
            if case .v6(let address) = value.address { sid.nextHop6 = address }
        case SEG6_LOCAL_OIF: sid.linkIndex = value.linkIndex()
        case SEG6_LOCAL_IIF: obstacles.append("iif")
        case SEG6_LOCAL_FLAVORS: flavors = decodeFlavors(value)
        // SRH and BPF belong to actions that are the kernel's alone; counters count, they do not forward.
        case SEG6_LOCAL_SRH, SEG6_LOCAL_BPF, SEG6_LOCAL_COUNTERS: break
        default: obstacles.append("attribute \(type)")
        }
    }
    let name: String
    (sid.behavior, name) = behavior(ofAction: action)
    let rest = applyFlavors(flavors, to: &sid.behavior)
    obstacles += rest
    if let missing = whatIsMissing(in: sid, name: name) { obstacles.append(missing) }
    sid.kernelOnly = obstacles.isEmpty ? nil : obstacles.joined(separator: ", ")
    return sid
}

/// *Returns*: `1 << SEG6_LOCAL_FLV_OP_*` of every flavor.
private func decodeFlavors(_ attributes: RawSpan) -> UInt32 {
    var operations: UInt32 = 0
    attributes.forEachAttribute { type, value in
        if type == SEG6_LOCAL_FLV_OPERATION { operations = value.host32() ?? 0 }
    }
    return operations
}

/// Turns a behavior into its PSP code point where there is one.
///
/// *Returns*: the flavors that remain unexpressed.
private func applyFlavors(_ flavors: UInt32, to behavior: inout Behavior) -> [String] {
    var rest: [String] = []
    for operation in 0..<32 where flavors >> UInt32(operation) & 1 == 1 {
        switch (operation, behavior) {
        case (SEG6_LOCAL_FLV_OP_PSP, .end): behavior = .endPSP
        case (SEG6_LOCAL_FLV_OP_PSP, .endX): behavior = .endXPSP
        case (SEG6_LOCAL_FLV_OP_PSP, .endT): behavior = .endTPSP
        case (SEG6_LOCAL_FLV_OP_PSP, _): rest.append("flavor psp")
        case (SEG6_LOCAL_FLV_OP_USP, _): rest.append("flavor usp")
        case (SEG6_LOCAL_FLV_OP_USD, _): rest.append("flavor usd")
        case (SEG6_LOCAL_FLV_OP_NEXT_CSID, _): rest.append("flavor next-csid")
        default: rest.append("flavor \(operation)")
        }
    }
    return rest
}

/// The behavior of a SEG6_LOCAL_ACTION_*, and the name that `ip route` gives it.
private func behavior(ofAction action: Int) -> (Behavior, String) {
    switch action {
    case SEG6_LOCAL_ACTION_END: (.end, "End")
    case SEG6_LOCAL_ACTION_END_X: (.endX, "End.X")
    case SEG6_LOCAL_ACTION_END_T: (.endT, "End.T")
    case SEG6_LOCAL_ACTION_END_DX2: (.endDX2, "End.DX2")
    case SEG6_LOCAL_ACTION_END_DX6: (.endDX6, "End.DX6")
    case SEG6_LOCAL_ACTION_END_DX4: (.endDX4, "End.DX4")
    case SEG6_LOCAL_ACTION_END_DT6: (.endDT6, "End.DT6")
    case SEG6_LOCAL_ACTION_END_DT4: (.endDT4, "End.DT4")
    case SEG6_LOCAL_ACTION_END_DT46: (.endDT46, "End.DT46")
    case SEG6_LOCAL_ACTION_END_B6_ENCAP: (.endB6Encaps, "End.B6.Encaps")
    case SEG6_LOCAL_ACTION_END_B6: (.opaque, "End.B6")
    case SEG6_LOCAL_ACTION_END_BM: (.opaque, "End.BM")
    case SEG6_LOCAL_ACTION_END_S: (.opaque, "End.S")
    case SEG6_LOCAL_ACTION_END_AS: (.opaque, "End.AS")
    case SEG6_LOCAL_ACTION_END_AM: (.opaque, "End.AM")
    case SEG6_LOCAL_ACTION_END_BPF: (.opaque, "End.BPF")
    default: (.opaque, "action \(action)")
    }
}

/// Why the behavior cannot be executed from the fields of `sid`: `LocalSID` cannot hold it, or a field is not there.
private func whatIsMissing(in sid: LocalSID, name: String) -> String? {
    switch sid.behavior {
    case .end, .endPSP: nil
    case .endX, .endXPSP, .endDX6: sid.nextHop6 == nil ? "\(name) without nh6" : nil
    case .endT, .endTPSP, .endDT6, .endDT4, .endDT46: sid.table == nil ? "\(name) without a table" : nil
    case .endDX4: sid.nextHop4 == nil ? "\(name) without nh4" : nil
    case .endDX2: sid.linkIndex == nil ? "\(name) without oif" : nil
    case .endB6Encaps, .endB6EncapsRed, .opaque: name
    }
}
