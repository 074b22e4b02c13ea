// SPDX-License-Identifier: Apache-2.0
/// Why the engine ended a packet. Every packet is transmitted, punted, or dropped with one of these.
///
/// Raw values index the workers' counters: dense, from 0.
@frozen
public enum DropReason: UInt8, Hashable, Sendable, CaseIterable, BitwiseCopyable {
    /// The frame ends before the header that its Ethernet type announces, or the header's length exceeds the frame.
    case truncated
    /// The version field contradicts the Ethernet type.
    case badVersion
    /// The IPv4 header does not sum to all ones.
    case badIPv4Checksum
    /// A source that nobody may have: multicast.
    case badSource
    /// A routing header that is not a consistent SRH, at a local SID that needs one (RFC 8986 section 4.1, S09).
    case badSRH
    /// No SRH, or no segments left, at a local SID whose behavior needs more (RFC 8986 section 4.1.1).
    case noSegmentsLeft
    /// Segments left at a behavior that ends the path (RFC 8986 section 4.4, S02).
    case segmentsLeft
    /// What is inside is not what the decapsulating behavior takes (RFC 8986 section 4.1.1).
    case unexpectedPayload
    /// The encapsulated packet is inconsistent.
    case badInnerPacket
    /// The packet is the kernel's to handle, but the punt's rate limit is used up or the punt device is full.
    case puntLimit
    /// The transmit ring of the port has no room.
    case transmitRingFull
    /// The route is a blackhole.
    case blackhole

    /// The name in tables and metrics.
    public var name: String { "\(self)" }
}
