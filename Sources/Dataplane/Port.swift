// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6

/// One queue of one port, as its worker uses it: the four rings and the call that wakes the kernel.
struct PortQueue: ~Copyable {
    /// Index of the port among the engine's.
    let port: Int
    /// The socket, -1 for a memory port.
    let descriptor: Int32
    let isBusyPolling: Bool
    /// Whether the port's packets leave here; further queues of one port only receive.
    let transmits: Bool
    private var fill: ProducerRing<UInt64>
    private var completion: ConsumerRing<UInt64>
    private var receive: ConsumerRing<xdp_desc>
    private var transmit: ProducerRing<xdp_desc>
    /// Frames that the kernel still holds for transmission.
    private(set) var outstanding = 0
    /// Frames and octets pushed since the last submit.
    private(set) var unsubmitted = 0
    private(set) var unsubmittedOctets = 0

    /// Copy-mode transmission takes this many descriptors for a call.
    private static let transmitBudget = 32

    init(port: Int, rings: PortRings, isBusyPolling: Bool, transmits: Bool) {
        self.port = port
        self.transmits = transmits
        self.isBusyPolling = isBusyPolling
        descriptor = rings.descriptor
        fill = unsafe ProducerRing(rings.fill.pointee)
        completion = unsafe ConsumerRing(rings.completion.pointee)
        receive = unsafe ConsumerRing(rings.receive.pointee)
        transmit = unsafe ProducerRing(rings.transmit.pointee)
    }

    /// Received packets that can be popped now.
    @inline(__always)
    mutating func peek(_ most: Int) -> Int { receive.peek(most) }

    @inline(__always)
    mutating func pop() -> xdp_desc { receive.pop() }

    @inline(__always)
    func release() { receive.release() }

    /// Places left in the transmit ring.
    @inline(__always)
    mutating func room(_ wanted: Int) -> Int { transmit.free(wanted) }

    /// Puts a packet into the transmit ring. *Requires*: room.
    @inline(__always)
    mutating func push(address: UInt64, length: Int) {
        transmit.push(xdp_desc(addr: address, len: UInt32(truncatingIfNeeded: length), options: 0))
        unsubmitted &+= 1
        unsubmittedOctets &+= length
    }

    /// Shows the kernel what was pushed, takes back what it has sent, and gives it frames to receive into.
    mutating func flush(_ umem: inout Umem) {
        if unsubmitted > 0 {
            transmit.submit()
            outstanding &+= unsubmitted
            unsubmitted = 0
            unsubmittedOctets = 0
        }
        if outstanding > 0 { send(&umem) }
        refill(&umem)
    }

    /// Gives the kernel every frame that it has room for.
    mutating func refill(_ umem: inout Umem) {
        let count = min(fill.free(Self.transmitBudget), umem.idleCount)
        guard count > 0 else { return }
        for _ in 0..<count { fill.push(umem.take()) }
        fill.submit()
        if isBusyPolling == false, descriptor >= 0, fill.needsWakeup {
            _ = recvfrom(descriptor, nil, 0, Int32(MSG_DONTWAIT), nil, nil)
        }
    }

    /// Calls the kernel until it has taken what is outstanding, or says that it cannot now.
    private mutating func send(_ umem: inout Umem) {
        complete(&umem)
        var calls = outstanding / Self.transmitBudget &+ 1
        while outstanding > 0, calls > 0, descriptor >= 0, transmit.needsWakeup {
            let result = sendto(descriptor, nil, 0, Int32(MSG_DONTWAIT), nil, 0)
            let code = errno
            complete(&umem)
            // EAGAIN: the budget of one call is used up, or the device is full for the moment.
            if result < 0 && code != EAGAIN { break }
            calls &-= 1
        }
    }

    private mutating func complete(_ umem: inout Umem) {
        while true {
            let count = completion.peek(Self.transmitBudget)
            guard count > 0 else { return }
            for _ in 0..<count { umem.give(completion.pop()) }
            completion.release()
            outstanding &-= count
        }
    }

    /// Lets the kernel run the driver on this core (busy polling) when the ring is empty.
    func poke() {
        _ = recvfrom(descriptor, nil, 0, Int32(MSG_DONTWAIT), nil, nil)
    }
}

/// The four rings of a queue, in memory that somebody else keeps.
@safe
struct PortRings {
    let descriptor: Int32
    let fill: UnsafeMutablePointer<xsk_ring_prod>
    let completion: UnsafeMutablePointer<xsk_ring_cons>
    let receive: UnsafeMutablePointer<xsk_ring_cons>
    let transmit: UnsafeMutablePointer<xsk_ring_prod>
}
