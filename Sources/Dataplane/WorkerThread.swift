// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6
import Wire

/// What the control side tells a worker while it runs, and what the worker sleeps on.
@safe
struct SharedState: BitwiseCopyable, @unchecked Sendable {
    private enum Cell { static let color = 0, stop = 1, count = 8 }

    private let cells: UnsafeMutablePointer<UInt64>
    private let waits: UnsafeMutablePointer<pollfd>
    private let waitCount: Int
    private let marking: MarkingScheme.Packed

    /// - Parameter region: holds the cells; lives longer than the worker.
    init(_ region: borrowing Region, byteOffset: Int, marking: MarkingScheme, waits: PollSet) {
        unsafe cells = (region.base + byteOffset).bindMemory(to: UInt64.self, capacity: Cell.count)
        self.marking = MarkingScheme.Packed(marking)
        unsafe self.waits = waits.entries
        waitCount = waits.count
    }

    static let byteCount = 8 * Cell.count

    /// The marks and the active color, for one burst. Partner: `setColor`.
    @inline(__always)
    var scheme: Mark.Scheme {
        Mark.Scheme(
            mask: marking.mask, a: marking.a, b: marking.b,
            active: unsafe cxdp_load_relaxed_u64(cells + Cell.color) == 0 ? .a : .b)
    }

    @inline(__always)
    var isStopping: Bool { unsafe cxdp_load_relaxed_u64(cells + Cell.stop) != 0 }

    /// control: w. Sequentially consistent, so that a burst entered after the return sees it.
    func setColor(_ color: MarkColor) { unsafe cxdp_store_seqcst_u64(cells + Cell.color, UInt64(color.rawValue)) }

    /// control: w
    func stop() { unsafe cxdp_store_seqcst_u64(cells + Cell.stop, 1) }

    /// Sleeps until a port has packets, the control side wakes the worker, or the time is over.
    func poll(timeoutMilliseconds: Int32) {
        guard waitCount > 0 else { return }
        guard unsafe Glibc.poll(waits, nfds_t(waitCount), timeoutMilliseconds) > 0 else { return }
        for index in 0..<waitCount where unsafe waits[index].revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 {
            // The interface is gone: its socket would wake the worker for ever. Poll passes over negative numbers.
            unsafe waits[index].fd = -1
        }
    }
}

extension MarkingScheme {
    /// The scheme as trivial octets.
    struct Packed: BitwiseCopyable {
        let mask: UInt8
        let a: UInt8
        let b: UInt8

        init(_ scheme: MarkingScheme) {
            mask = scheme.mask
            a = scheme.a
            b = scheme.b
        }
    }
}

/// The descriptors that a worker sleeps on.
@safe
final class PollSet {
    let entries: UnsafeMutablePointer<pollfd>
    let count: Int

    init(_ descriptors: [Int32]) {
        count = descriptors.count
        unsafe entries = .allocate(capacity: max(1, count))
        for (index, descriptor) in descriptors.enumerated() {
            unsafe (entries + index).initialize(to: pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        }
    }

    deinit { unsafe entries.deallocate() }
}

/// Where a worker's punted packets go: a queue of the TUN device, or a memory port.
struct PuntQueue: BitwiseCopyable, Sendable {
    let descriptor: Int32
    /// Index of the memory port that stands for the kernel, -1 when there is a device.
    let port: Int32

    /// Writes one IP packet. *Returns*: false when the device did not take it.
    @inline(__always)
    func write(_ packet: RawSpan) -> Bool {
        unsafe packet.withUnsafeBytes { octets in
            unsafe Glibc.write(descriptor, octets.baseAddress, octets.count) == octets.count
        }
    }

    /// Nanoseconds of the monotonic clock, coarse.
    @inline(__always)
    func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

/// An array of things that cannot be copied, of fixed length, outside Swift's heap.
@safe
struct OwnedArray<Element: ~Copyable>: ~Copyable {
    private let base: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        unsafe base = .allocate(capacity: max(1, capacity))
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    /// *Requires*: fewer elements than the capacity.
    mutating func append(_ element: consuming Element) {
        precondition(count < capacity, "owned array is full")
        unsafe (base + count).initialize(to: element)
        count += 1
    }

    subscript(_ index: Int) -> Element {
        @inline(__always) unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index out of range")
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index out of range")
            return unsafe base + index
        }
    }
}

/// A worker and its POSIX thread.
@safe
final class WorkerThread: @unchecked Sendable {
    private let worker: UnsafeMutablePointer<Worker>
    private var thread = pthread_t()
    /// Core that the thread is pinned to, nil when the kernel refused.
    private(set) var core: Int?

    /// Starts the thread.
    init(_ worker: consuming Worker, index: Int, core wanted: Int?) throws(SystemError) {
        unsafe self.worker = .allocate(capacity: 1)
        unsafe self.worker.initialize(to: worker)
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                unsafe argument?.assumingMemoryBound(to: Worker.self).pointee.run()
                return nil
            }, self.worker)
        guard result == 0 else {
            unsafe self.worker.deinitialize(count: 1)
            unsafe self.worker.deallocate()
            throw SystemError("start worker \(index)", code: result)
        }
        unsafe pthread_setname_np(thread, "worker\(index)")
        if let wanted {
            var set = cpu_set_t()
            Self.include(wanted, in: &set)
            if unsafe pthread_setaffinity_np(thread, MemoryLayout<cpu_set_t>.size, &set) == 0 { core = wanted }
        }
    }

    /// Waits for the end of the thread, which must have been told to stop.
    func join() { pthread_join(thread, nil) }

    deinit {
        unsafe worker.deinitialize(count: 1)
        unsafe worker.deallocate()
    }

    private static func include(_ core: Int, in set: inout cpu_set_t) {
        unsafe withUnsafeMutableBytes(of: &set) { octets in
            guard core / 8 < octets.count else { return }
            unsafe octets[core / 8] |= 1 << UInt8(core % 8)
        }
    }

    /// Cores that the process may run on.
    static func allowedCores() -> [Int] {
        var set = cpu_set_t()
        guard unsafe sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &set) == 0 else { return [] }
        return unsafe withUnsafeBytes(of: &set) { octets in
            (0..<octets.count * 8).filter { unsafe octets[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
        }
    }
}
