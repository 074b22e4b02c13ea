// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 3 for packets to be encapsulated: H.Encaps and H.Encaps.Red.
///
/// The outer header and the SRH were computed when the policy came; here they are copied and four fields patched.
/// *RFC*: 8986 sections 5.1 and 5.2, 2473 section 6; fields as Linux sets them.
enum Headend {
    /// The lookup key is the first segment. *Requires*: `packet.object` is a policy.
    @inline(__always)
    static func prepare(_ packet: inout Packet, _ tables: borrowing TableCopy) {
        // The outer hop limit is the inner one, and the outer packet is forwarded: an expired one is the kernel's.
        guard packet.action == .encapsulate4 || packet.hopLimit > 1 else { return packet.punt() }
        let policy = tables.policies[Int(packet.object)]
        packet.flow = policy.flow
        packet.growth = Int32(policy.byteCount)
        packet.table = UInt16(truncatingIfNeeded: TableCopy.main6)
        packet.key = FIBKey(policy.firstSegment)
        packet.neighbor = policy.firstSegment
    }

    /// Puts the outer header on. Traffic class and mark come from step 4.
    @inline(__always)
    static func rewrite(_ frame: inout MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy) {
        let policy = tables.policies[Int(packet.object)]
        let inner = packet.network
        let count = Int(policy.byteCount)
        let outer = inner &- count
        tables.templates.withOctets(from: Int(policy.template), count: count) { template in
            frame.setOctets(template, at: outer)
        }
        let isIPv6 = packet.action == .encapsulate6
        let label = flowLabel(frame, inner, isIPv6: isIPv6, tables.flowLabel)
        frame.setU32(IPv6.firstWord(trafficClass: isIPv6 ? packet.trafficClass : 0, flowLabel: label), at: outer)
        frame.setU16(UInt16(truncatingIfNeeded: count &- IPv6View.byteCount &+ Int(packet.ipLength)), at: outer &+ 4)
        frame.setU8(isIPv6 ? packet.hopLimit &- 1 : policy.hopLimit4, at: outer &+ 7)
        frame.setU8(isIPv6 ? NextHeader.ipv6 : NextHeader.ipv4, at: outer &+ Int(policy.nextHeaderOffset))
        packet.start &-= Int32(truncatingIfNeeded: count)
        packet.length &+= Int32(truncatingIfNeeded: count)
    }

    /// Puts the outer header on for the kernel, which forwards the packet itself and so takes one off the hop limit.
    ///
    /// The kernel would copy the customer's traffic class, and with it whatever stands where the mark does: far behind
    /// it would count for a color that nobody counted here.
    @inline(__always)
    static func rewriteForKernel(
        _ frame: inout MutableRawSpan, _ packet: inout Packet, _ tables: borrowing TableCopy
    ) {
        rewrite(&frame, &packet, tables)
        packet.flow = PolicyEntry.unmonitored
        frame.setU8(frame.bytes.u8(at: packet.network &+ 7) &+ 1, at: packet.network &+ 7)
        // Only a memory port, which stands for the kernel in tests and replay, sees the Ethernet header.
        frame.setU16(EtherType.ipv6, at: Int(packet.start) &+ 12)
    }

    /// RFC 6437 and 6438, as `net.ipv6.seg6_flowlabel` chooses.
    @inline(__always)
    private static func flowLabel(
        _ frame: borrowing MutableRawSpan, _ inner: Int, isIPv6: Bool, _ mode: FlowLabelMode
    ) -> UInt32 {
        switch mode {
        case .zero: return 0
        case .copy: return isIPv6 ? frame.bytes.u32(at: inner) & 0xfffff : 0
        case .hash:
            let octets = frame.bytes
            let hash =
                isIPv6
                ? Hash.mix(
                    octets.u64(at: inner &+ 8) ^ octets.u64(at: inner &+ 24),
                    octets.u64(at: inner &+ 16) ^ octets.u64(at: inner &+ 32) ^ UInt64(octets.u32(at: inner) & 0xfffff))
                : Hash.mix(octets.u64(at: inner &+ 12), UInt64(octets.u8(at: inner &+ 9)))
            let label = UInt32(truncatingIfNeeded: hash) & 0xfffff
            return label == 0 ? 1 : label
        }
    }
}
