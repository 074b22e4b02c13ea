// SPDX-License-Identifier: Apache-2.0
import SRv6
import Wire

/// What the stages know of one packet of a burst. The octets themselves stay in their frame.
struct Packet: BitwiseCopyable {
    /// The packet's end, as far as it is decided.
    enum Verdict: UInt8, BitwiseCopyable { case pending, transmit, punt, drop }

    /// What is to be done with a pending packet once its way out is known.
    enum Action: UInt8, BitwiseCopyable {
        case forward6, forward4, encapsulate6, encapsulate4, end, decapsulate6, decapsulate4
    }

    /// Whether there is a routing header, and a usable one.
    enum RoutingHeader: UInt8, BitwiseCopyable { case none, valid, invalid }

    // Where it is. Parse: rw, rewriting steps: rw
    /// Address of the frame in the worker's memory.
    var frame: UInt64 = 0
    /// Octets from the start of the frame to the Ethernet header.
    var start: Int32 = 0
    /// Octets from the Ethernet header to the end.
    var length: Int32 = 0

    // What it is. Parse: w, later steps: ro
    var destination = FIBKey(IPv4Address(0))
    /// Octets of the IP packet as received.
    var ipLength: Int32 = 0
    /// Octets from the IP header to the routing header, where there is one.
    var routingOffset: Int32 = 0
    /// Octets from the IP header to what is behind the extension headers that were walked.
    var payloadOffset: Int32 = 0
    var port: UInt16 = 0
    var isIPv6 = false
    var hopLimit: UInt8 = 0
    var trafficClass: UInt8 = 0
    var payloadType: UInt8 = 0
    var routingHeader = RoutingHeader.none

    // What becomes of it. Classify: w, Endpoint and Headend: rw
    var verdict = Verdict.pending
    var reason = DropReason.truncated
    var action = Action.forward6
    /// FIB slot and key of the lookup that decides the way out.
    var table: UInt16 = 0
    var key = FIBKey(IPv4Address(0))
    /// The neighbor to look for when that lookup ends on a connected route.
    var neighbor = IPv6Address.unspecified
    /// Index of the policy or local SID in use.
    var object: UInt32 = 0
    /// Index of the adjacency that it leaves by, or `noAdjacency`.
    var adjacency: UInt32 = .max
    /// The kernel gets it with the outer header on.
    var isEncapsulatedFirst = false
    /// Octets that the rewriting adds, negative when it removes some.
    var growth: Int32 = 0
    /// Egress flow to mark and count for, or `PolicyEntry.unmonitored`.
    var flow: UInt32 = .max
    /// Counter index of the local SID that processed it, or `noSID`.
    var sid: UInt32 = .max
    /// Hash of the flow key on arrival.
    var flowHash: UInt64 = 0

    static let noSID: UInt32 = .max
    static let noAdjacency: UInt32 = .max

    init(frame: UInt64, start: Int, length: Int, port: UInt16) {
        self.frame = frame
        self.start = Int32(truncatingIfNeeded: start)
        self.length = Int32(truncatingIfNeeded: length)
        self.port = port
    }

    /// Octets from the start of the frame to the IP header.
    @inline(__always) var network: Int { Int(start) &+ EthernetView.byteCount }

    /// Ends the packet with a reason that is counted.
    @inline(__always)
    mutating func drop(_ reason: DropReason) {
        verdict = .drop
        self.reason = reason
    }

    /// Hands the packet to the kernel as it was received.
    @inline(__always)
    mutating func punt() { verdict = .punt }

    /// Hands the packet to the kernel because the way out is not known, once the instruction is carried out if that can
    /// be done without it.
    @inline(__always)
    mutating func puntUnresolved() {
        verdict = .punt
        isEncapsulatedFirst = action == .encapsulate6 || action == .encapsulate4
    }
}
