// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// Step 4: the alternate-marking color in the outer header (RFC 9341).
enum Mark {
    /// What a burst needs to know: read once, so that a packet is marked and counted by one color.
    struct Scheme: BitwiseCopyable {
        var mask: UInt8
        var a: UInt8
        var b: UInt8
        /// The color that monitored packets get in this burst.
        var active: MarkColor

        /// Index of a traffic class among the counters: 0 for A, 1 for B, 2 for neither.
        @inline(__always)
        func index(of trafficClass: UInt8) -> Int {
            let value = trafficClass & mask
            return value == a ? 0 : value == b ? 1 : 2
        }
    }

    /// Gives the outer header of an encapsulated packet its mark: the active color when the flow is monitored,
    /// else none, whatever the customer's packet carried.
    @inline(__always)
    static func mark(_ frame: inout MutableRawSpan, _ packet: Packet, _ scheme: Scheme) {
        let value = packet.flow == PolicyEntry.unmonitored ? 0 : scheme.active == .a ? scheme.a : scheme.b
        let word = frame.bytes.u16(at: packet.network)
        let cleared = word & ~(UInt16(scheme.mask) << 4)
        frame.setU16(cleared | UInt16(value) << 4, at: packet.network)
    }
}
