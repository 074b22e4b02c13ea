// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// What a worker exchanges with the world: frames in, frames out, packets for the kernel, and the counts of all three.
struct Exchange: ~Copyable {
    private var umem: Umem
    private var queues: OwnedArray<PortQueue>
    let counters: Counters
    private let punt: PuntQueue
    private var bucket: TokenBucket
    /// Index of the queue that transmits for each port. Every port has one.
    private var transmitter: Slab<UInt32>

    init(
        umem: consuming Umem, queues: consuming OwnedArray<PortQueue>, counters: Counters, punt: PuntQueue,
        puntRate: Int
    ) {
        self.umem = umem
        self.queues = queues
        self.counters = counters
        self.punt = punt
        bucket = TokenBucket(rate: puntRate)
        transmitter = Slab(repeating: 0, count: Counters.maximumPorts)
        for index in 0..<self.queues.count {
            if self.queues[index].transmits { transmitter[self.queues[index].port] = UInt32(index) }
            self.queues[index].refill(&self.umem)
        }
    }

    var queueCount: Int { queues.count }

    /// The octets of the frame at `address`.
    @inline(__always) @_lifetime(borrow self)
    func frame(_ address: UInt64) -> MutableRawSpan { umem.frame(address) }

    /// Inhale: describes up to a burst of received packets, as many as `packets` holds.
    @inline(__always)
    mutating func receive(_ index: Int, into packets: inout Slab<Packet>) -> Int {
        let count = queues[index].peek(packets.count)
        guard count > 0 else { return 0 }
        let port = queues[index].port
        var octets = 0
        for slot in 0..<count {
            let descriptor = queues[index].pop()
            let start = Int(truncatingIfNeeded: descriptor.addr) & (Umem.frameByteCount &- 1)
            packets[slot] = Packet(
                frame: descriptor.addr & ~UInt64(Umem.frameByteCount &- 1), start: start, length: Int(descriptor.len),
                port: UInt16(truncatingIfNeeded: port))
            umem.prefetch(packets[slot].frame, start)
            octets &+= Int(descriptor.len)
        }
        queues[index].release()
        counters.add(UInt64(truncatingIfNeeded: count), to: .receivedPackets, of: port)
        counters.add(UInt64(truncatingIfNeeded: octets), to: .receivedOctets, of: port)
        return count
    }

    /// Hands a rewritten packet to the port that it leaves by, or drops it when the port cannot take it.
    @inline(__always)
    mutating func transmit(_ packet: inout Packet, port: Int) {
        let queue = Int(transmitter[port])
        guard queues[queue].room(1) > 0 else { return packet.drop(.transmitRingFull) }
        queues[queue].push(address: packet.frame &+ UInt64(packet.start), length: Int(packet.length))
        packet.verdict = .transmit
    }

    /// Settles what became of a packet, once and for all.
    @inline(__always)
    mutating func settle(_ packet: inout Packet) {
        switch packet.verdict {
        case .transmit:
            counters.add(1, to: .transmitted)
            if packet.sid != Packet.noSID { Count.countSID(packet, counters) }
        case .punt: handOver(&packet)
        case .drop, .pending: discard(packet)
        }
    }

    private mutating func discard(_ packet: Packet) {
        counters.add(1, to: .dropped)
        counters.drops.add(1, to: Int(packet.reason.rawValue))
        umem.give(packet.frame)
    }

    /// Gives the packet to the kernel as it was received, within the rate that the bucket allows.
    private mutating func handOver(_ packet: inout Packet) {
        bucket.fill(now: punt.now())
        guard bucket.take() else {
            packet.drop(.puntLimit)
            return discard(packet)
        }
        if punt.port >= 0 {
            transmit(&packet, port: Int(punt.port))
            return packet.verdict == .transmit ? counters.add(1, to: .punted) : discard(packet)
        }
        let frame = umem.frame(packet.frame)
        guard punt.write(frame.bytes.extracting(packet.network..<Int(packet.start) &+ Int(packet.length))) else {
            packet.drop(.puntLimit)
            return discard(packet)
        }
        counters.add(1, to: .punted)
        umem.give(packet.frame)
    }

    /// Exhale: kernel, take these; and the turn's sums.
    mutating func flush(received: Int) {
        if received > 0 {
            counters.add(1, to: .bursts)
            counters.add(UInt64(truncatingIfNeeded: received), to: .received)
        }
        for index in 0..<queues.count {
            if queues[index].unsubmitted > 0 {
                let port = queues[index].port
                counters.add(UInt64(truncatingIfNeeded: queues[index].unsubmitted), to: .transmittedPackets, of: port)
                counters.add(
                    UInt64(truncatingIfNeeded: queues[index].unsubmittedOctets), to: .transmittedOctets, of: port)
            }
            queues[index].flush(&umem)
        }
    }

    /// Waits for packets: in `poll`, or by letting the kernel's busy polling drive the ports.
    mutating func rest(_ shared: SharedState) {
        var spins = false
        for index in 0..<queues.count where queues[index].isBusyPolling {
            queues[index].poke()
            spins = true
        }
        guard !spins else { return cxdp_pause() }
        counters.add(1, to: .sleeps)
        var held = false
        for index in 0..<queues.count where queues[index].outstanding > 0 { held = true }
        // A device that was full is tried again soon.
        shared.poll(timeoutMilliseconds: held ? 1 : 1000)
    }
}
