// SPDX-License-Identifier: Apache-2.0
import CXDP
import SRv6
import Wire

/// A ring in plain memory, seen from both of its ends.
@safe
final class RingMemory<Element: BitwiseCopyable> {
    private let indices: UnsafeMutablePointer<UInt32>
    private let entries: UnsafeMutablePointer<Element>
    private let size: Int
    let producing: UnsafeMutablePointer<xsk_ring_prod>
    let consuming: UnsafeMutablePointer<xsk_ring_cons>

    init(size: Int, empty: Element) {
        self.size = size
        unsafe indices = .allocate(capacity: 3)
        unsafe indices.initialize(repeating: 0, count: 3)
        unsafe entries = .allocate(capacity: size)
        unsafe entries.initialize(repeating: empty, count: size)
        unsafe producing = .allocate(capacity: 1)
        unsafe consuming = .allocate(capacity: 1)
        unsafe producing.initialize(
            to: xsk_ring_prod(
                cached_prod: 0, cached_cons: 0, mask: UInt32(size - 1), size: UInt32(size), producer: indices,
                consumer: indices + 1, ring: UnsafeMutableRawPointer(entries), flags: indices + 2))
        unsafe consuming.initialize(
            to: xsk_ring_cons(
                cached_prod: 0, cached_cons: 0, mask: UInt32(size - 1), size: UInt32(size), producer: indices,
                consumer: indices + 1, ring: UnsafeMutableRawPointer(entries), flags: indices + 2))
    }

    deinit {
        unsafe indices.deallocate()
        unsafe entries.deallocate()
        unsafe producing.deallocate()
        unsafe consuming.deallocate()
    }

    func producer() -> ProducerRing<Element> { unsafe ProducerRing(producing.pointee) }
    func consumer() -> ConsumerRing<Element> { unsafe ConsumerRing(consuming.pointee) }
}

/// A port made of arrays: stands on the other side of the rings, where a driver would stand.
final class MemoryPort {
    private let fillMemory: RingMemory<UInt64>
    private let completionMemory: RingMemory<UInt64>
    private let receiveMemory: RingMemory<xdp_desc>
    private let transmitMemory: RingMemory<xdp_desc>
    private var fill: ConsumerRing<UInt64>
    private var completion: ProducerRing<UInt64>
    private var receive: ProducerRing<xdp_desc>
    private var transmit: ConsumerRing<xdp_desc>

    init(ringSize: Int) {
        fillMemory = RingMemory(size: ringSize, empty: 0)
        completionMemory = RingMemory(size: ringSize, empty: 0)
        receiveMemory = RingMemory(size: ringSize, empty: xdp_desc())
        transmitMemory = RingMemory(size: ringSize, empty: xdp_desc())
        fill = fillMemory.consumer()
        completion = completionMemory.producer()
        receive = receiveMemory.producer()
        transmit = transmitMemory.consumer()
    }

    /// The rings as the worker sees them.
    var rings: PortRings {
        unsafe PortRings(
            descriptor: -1, fill: fillMemory.producing, completion: completionMemory.consuming,
            receive: receiveMemory.consuming, transmit: transmitMemory.producing)
    }

    /// Receives a packet into a frame of `region`. *Returns*: false when the worker has given no frame or no room.
    func deliver(_ octets: RawSpan, into region: FrameMemory) -> Bool {
        guard octets.byteCount <= Umem.packetCapacity, receive.free(1) > 0, fill.peek(1) > 0 else { return false }
        let address = fill.pop()
        fill.release()
        var frame = region.frame(address)
        frame.setOctets(octets, at: Umem.packetOffset)
        receive.push(xdp_desc(addr: address + UInt64(Umem.packetOffset), len: UInt32(octets.byteCount), options: 0))
        receive.submit()
        return true
    }

    /// Sends everything in the transmit ring: hands each packet to `body` and gives its frame back.
    func drain(from region: FrameMemory, _ body: (RawSpan) -> Void) {
        while transmit.peek(1) > 0 {
            let descriptor = transmit.pop()
            let start = Int(descriptor.addr) % Umem.frameByteCount
            let frame = region.frame(descriptor.addr - UInt64(start))
            body(frame.bytes.extracting(start..<start + Int(descriptor.len)))
            completion.push(descriptor.addr)
        }
        transmit.release()
        completion.submit()
    }
}

/// A worker's frames as somebody on the other side of its rings reaches them, while the worker exists.
@safe
struct FrameMemory {
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(_ region: borrowing Region) {
        unsafe base = region.base
        byteCount = region.byteCount
    }

    @_lifetime(borrow self)
    func frame(_ address: UInt64) -> MutableRawSpan {
        precondition(
            address % UInt64(Umem.frameByteCount) == 0 && Int(address) + Umem.frameByteCount <= byteCount, "not a frame"
        )
        let span = unsafe MutableRawSpan(_unsafeStart: base + Int(address), byteCount: Umem.frameByteCount)
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}

/// Drives an engine whose ports are made of arrays: packets in, packets out, on the caller's thread.
///
/// Everything between the rings is what runs on real ports. Not thread-safe: one driver, one thread.
public final class MemoryDriver {
    /// Where a packet came out.
    public enum Outcome: Hashable, Sendable {
        /// Sent on a port, with these octets.
        case transmitted(port: Int, octets: [UInt8])
        /// Handed to the kernel, with these octets.
        case punted(octets: [UInt8])
        case dropped
    }

    private var worker: Worker
    private let ports: [MemoryPort]
    private let region: FrameMemory

    init(worker: consuming Worker, ports: [MemoryPort], region: FrameMemory) {
        self.worker = worker
        self.ports = ports
        self.region = region
    }

    /// Puts a frame, Ethernet header first, into the receive ring of a port.
    ///
    /// *Returns*: false when there is no room before the next ``turn()``.
    public func deliver(_ octets: RawSpan, port: Int) -> Bool { ports[port].deliver(octets, into: region) }

    /// Lets the worker take one burst from every port. *Returns*: packets that it took.
    @discardableResult
    public func turn() -> Int { worker.turn() }

    /// Takes what the worker has sent; `body` gets the port, or nil for the kernel, and the frame.
    public func collect(_ body: (Int?, RawSpan) -> Void) {
        for (index, port) in ports.enumerated() {
            port.drain(from: region) { body(index == ports.count - 1 ? nil : index, $0) }
        }
    }

    /// Sends one packet through and says what became of it.
    ///
    /// *Returns*: nil when the packet is larger than a frame.
    public func process(_ octets: [UInt8], port: Int) -> Outcome? {
        guard unsafe deliver(octets.span.bytes, port: port) else { return nil }
        turn()
        var outcome = Outcome.dropped
        collect { port, frame in
            let octets = unsafe frame.withUnsafeBytes { unsafe [UInt8]($0) }
            outcome = port.map { .transmitted(port: $0, octets: octets) } ?? .punted(octets: octets)
        }
        turn()
        return outcome
    }
}
