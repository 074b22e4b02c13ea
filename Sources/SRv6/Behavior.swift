// SPDX-License-Identifier: Apache-2.0
import Wire

/// A segment identifier (RFC 8402): an IPv6 address that names an instruction.
public typealias SID = IPv6Address

/// Endpoint behaviors by their IANA code points.
///
/// *RFC*: 8986 section 10.2.2, table 4.
public enum Behavior: UInt16, Hashable, Sendable, CaseIterable {
    case end = 1
    case endPSP = 2
    case endX = 5
    case endXPSP = 6
    case endT = 9
    case endTPSP = 10
    case endB6Encaps = 14
    case endDX6 = 16
    case endDX4 = 17
    case endDT6 = 18
    case endDT4 = 19
    case endDT46 = 20
    case endDX2 = 21
    case endB6EncapsRed = 27
    /// Known to the kernel, not to this table.
    case opaque = 65535

    /// The name that RFC 8986 uses.
    public var name: String {
        switch self {
        case .end: "End"
        case .endPSP: "End with PSP"
        case .endX: "End.X"
        case .endXPSP: "End.X with PSP"
        case .endT: "End.T"
        case .endTPSP: "End.T with PSP"
        case .endB6Encaps: "End.B6.Encaps"
        case .endDX6: "End.DX6"
        case .endDX4: "End.DX4"
        case .endDT6: "End.DT6"
        case .endDT4: "End.DT4"
        case .endDT46: "End.DT46"
        case .endDX2: "End.DX2"
        case .endB6EncapsRed: "End.B6.Encaps.Red"
        case .opaque: "opaque"
        }
    }
}

/// What a `seg6local` route does with a packet to its SID.
public struct LocalSID: Hashable, Sendable {
    public var behavior: Behavior
    /// End.T and End.DT*: the table of the lookup behind it.
    public var table: UInt32?
    /// End.X and End.DX6: the IPv6 next hop; `::` means the packet's own destination.
    public var nextHop6: IPv6Address?
    /// End.DX4: the IPv4 next hop; `0.0.0.0` means the packet's own destination.
    public var nextHop4: IPv4Address?
    /// The interface named by the route's `oif`, where there is one.
    public var linkIndex: Int?
    /// Why nobody but the kernel can execute it: an attribute or flavor that these nouns cannot express.
    public var kernelOnly: String?

    public init(
        behavior: Behavior, table: UInt32? = nil, nextHop6: IPv6Address? = nil, nextHop4: IPv4Address? = nil,
        linkIndex: Int? = nil, kernelOnly: String? = nil
    ) {
        self.behavior = behavior
        self.table = table
        self.nextHop6 = nextHop6
        self.nextHop4 = nextHop4
        self.linkIndex = linkIndex
        self.kernelOnly = kernelOnly
    }
}
