// SPDX-License-Identifier: Apache-2.0
import CXDP
import SRv6

/// A worker's frames: one piece of memory shared by all of its sockets, cut into equal frames, and the list of those
/// that nobody uses.
///
/// *Layout*: a frame is 4096 octets. A received packet begins 384 octets in (the kernel's 256 and our 128), so that
/// an outer header of 16 segments (304 octets) and its Ethernet header fit in front.
@safe
struct Umem: ~Copyable {
    static let frameByteCount = 4096
    /// What we ask the kernel to leave free besides its own.
    static let headroom = 128
    /// Octets from the start of a frame to a received packet.
    static let packetOffset = Int(XDP_PACKET_HEADROOM) + headroom
    /// Octets that a received packet may have.
    static let packetCapacity = frameByteCount - packetOffset

    let region: Region
    let frameCount: Int
    // worker: rw
    private var idle: Slab<UInt64>
    private(set) var idleCount: Int

    init(frameCount: Int, hugepages: Bool, node: Int?) throws(SystemError) {
        region = try Region(byteCount: frameCount * Self.frameByteCount, hugepages: hugepages, node: node)
        self.frameCount = frameCount
        idle = Slab(repeating: 0, count: frameCount)
        idleCount = frameCount
        for index in 0..<frameCount { idle[index] = UInt64((frameCount - 1 - index) * Self.frameByteCount) }
    }

    /// The octets of the frame at `address`. Traps on an address that is not a frame's.
    @inline(__always) @_lifetime(borrow self)
    func frame(_ address: UInt64) -> MutableRawSpan {
        precondition(
            address & UInt64(Self.frameByteCount - 1) == 0 && address < UInt64(region.byteCount), "not a frame")
        let span = unsafe MutableRawSpan(
            _unsafeStart: region.base + Int(truncatingIfNeeded: address), byteCount: Self.frameByteCount)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    @inline(__always)
    func prefetch(_ address: UInt64, _ offset: Int) {
        unsafe cxdp_prefetch(region.base + (Int(truncatingIfNeeded: address) &+ offset))
    }

    /// Takes a frame that nobody uses. *Requires*: `idleCount` above zero.
    @inline(__always)
    mutating func take() -> UInt64 {
        idleCount &-= 1
        return idle[idleCount]
    }

    /// Gives a frame back.
    @inline(__always)
    mutating func give(_ address: UInt64) {
        idle[idleCount] = address & ~UInt64(Self.frameByteCount - 1)
        idleCount &+= 1
    }
}
