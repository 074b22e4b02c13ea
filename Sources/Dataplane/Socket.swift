// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6

/// A worker's frames as the kernel knows them.
@safe
final class UmemRegistration {
    let handle: OpaquePointer
    // The rings that the first socket takes over; libxdp keeps their addresses.
    fileprivate let fill: UnsafeMutablePointer<xsk_ring_prod>
    fileprivate let completion: UnsafeMutablePointer<xsk_ring_cons>
    fileprivate var isFirst = true
    /// Why the sockets copy.
    fileprivate var copyReason: String

    /// - Parameter copyReason: why zero-copy is not even tried, for the log.

    init(_ region: borrowing Region, byteCount: Int, ringSize: Int, copyReason: String) throws(SystemError) {
        self.copyReason = copyReason
        unsafe fill = .allocate(capacity: 1)
        unsafe completion = .allocate(capacity: 1)
        unsafe fill.initialize(to: xsk_ring_prod())
        unsafe completion.initialize(to: xsk_ring_cons())
        var configuration = xsk_umem_config(
            fill_size: UInt32(ringSize), comp_size: UInt32(ringSize), frame_size: UInt32(Umem.frameByteCount),
            frame_headroom: UInt32(Umem.headroom), flags: 0)
        var umem: OpaquePointer?
        let result = unsafe xsk_umem__create(
            &umem, region.base, UInt64(byteCount), fill, completion, &configuration)
        guard result == 0, let umem = unsafe umem else {
            unsafe fill.deallocate()
            unsafe completion.deallocate()
            throw SystemError("register \(byteCount) octets of packet memory (XDP_UMEM_REG)", code: -result)
        }
        unsafe handle = umem
    }

    deinit {
        _ = unsafe xsk_umem__delete(handle)
        unsafe fill.deallocate()
        unsafe completion.deallocate()
    }
}

/// An AF_XDP socket bound to one queue of one interface.
@safe
final class XDPSocket {
    let rings: PortRings
    let isZeroCopy: Bool
    /// Why zero-copy is not in use, when it was wanted.
    let copyReason: String?
    private let handle: OpaquePointer
    private let umem: UmemRegistration
    private let ownsFillRings: Bool

    /// Binds in zero-copy mode, or in copy mode when the driver refuses.
    init(
        interface: String, queue: Int, umem: UmemRegistration, ringSize: Int, zeroCopy: DataplaneConfiguration.ZeroCopy
    ) throws(SystemError) {
        self.umem = umem
        ownsFillRings = !umem.isFirst
        let fill = unsafe umem.isFirst ? umem.fill : .allocate(capacity: 1)
        let completion = unsafe umem.isFirst ? umem.completion : .allocate(capacity: 1)
        if ownsFillRings {
            unsafe fill.initialize(to: xsk_ring_prod())
            unsafe completion.initialize(to: xsk_ring_cons())
        }
        let receive = UnsafeMutablePointer<xsk_ring_cons>.allocate(capacity: 1)
        let transmit = UnsafeMutablePointer<xsk_ring_prod>.allocate(capacity: 1)
        unsafe receive.initialize(to: xsk_ring_cons())
        unsafe transmit.initialize(to: xsk_ring_prod())

        func bind(_ flag: Int32) -> (OpaquePointer?, Int32) {
            var configuration = xsk_socket_config()
            configuration.rx_size = UInt32(ringSize)
            configuration.tx_size = UInt32(ringSize)
            configuration.libxdp_flags = UInt32(XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD)
            configuration.bind_flags = UInt16(XDP_USE_NEED_WAKEUP) | UInt16(flag)
            var socket: OpaquePointer?
            let result = unsafe xsk_socket__create_shared(
                &socket, interface, UInt32(queue), umem.handle, receive, transmit, fill, completion, &configuration)
            return unsafe (result == 0 ? socket : nil, -result)
        }
        // The first socket of a UMEM decides for all of them: the kernel takes no mode with the others.
        var bound: (OpaquePointer?, Int32) = (nil, 0)
        if zeroCopy == .auto, umem.isFirst {
            unsafe bound = bind(XDP_ZEROCOPY)
            if unsafe bound.0 == nil {
                umem.copyReason = unsafe "the driver answered: \(String(cString: strerror(bound.1)))"
            }
        }
        if unsafe bound.0 == nil { unsafe bound = bind(XDP_COPY) }
        guard let socket = unsafe bound.0 else {
            unsafe receive.deallocate()
            unsafe transmit.deallocate()
            if ownsFillRings {
                unsafe fill.deallocate()
                unsafe completion.deallocate()
            }
            let hint = unsafe bound.1 == EBUSY ? " (another program has one there)" : ""
            throw SystemError("bind an AF_XDP socket to \(interface) queue \(queue)\(hint)", code: unsafe bound.1)
        }
        umem.isFirst = false
        unsafe handle = socket
        isZeroCopy = unsafe Self.isZeroCopy(xsk_socket__fd(socket))
        copyReason = isZeroCopy ? nil : umem.copyReason
        unsafe rings = PortRings(
            descriptor: xsk_socket__fd(socket), fill: fill, completion: completion, receive: receive, transmit: transmit
        )
    }

    deinit {
        unsafe xsk_socket__delete(handle)
        unsafe rings.receive.deallocate()
        unsafe rings.transmit.deallocate()
        if ownsFillRings {
            unsafe rings.fill.deallocate()
            unsafe rings.completion.deallocate()
        }
    }

    /// Whether the kernel uses the UMEM without copying for a socket.
    private static func isZeroCopy(_ descriptor: Int32) -> Bool {
        var options = xdp_options()
        var length = socklen_t(MemoryLayout<xdp_options>.size)
        let result = unsafe getsockopt(descriptor, SOL_XDP, XDP_OPTIONS, &options, &length)
        return result == 0 && options.flags & UInt32(XDP_OPTIONS_ZEROCOPY) != 0
    }

    /// Asks for busy polling on the caller's core (Linux 5.11). *Returns*: whether the kernel agreed.
    func enableBusyPolling(budget: Int) -> Bool {
        func set(_ option: Int32, _ value: Int32) -> Bool {
            var value = value
            return unsafe setsockopt(rings.descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<Int32>.size))
                == 0
        }
        // SO_PREFER_BUSY_POLL, SO_BUSY_POLL (microseconds), SO_BUSY_POLL_BUDGET
        return set(69, 1) && set(46, 20) && set(70, Int32(budget))
    }

    /// Packets that the kernel could not hand over: no frame, or no room in the receive ring.
    var receiveDrops: UInt64 {
        var statistics = xdp_statistics()
        var length = socklen_t(MemoryLayout<xdp_statistics>.size)
        guard unsafe getsockopt(rings.descriptor, SOL_XDP, XDP_STATISTICS, &statistics, &length) == 0 else { return 0 }
        return statistics.rx_dropped + statistics.rx_ring_full + statistics.rx_fill_ring_empty_descs
    }
}
