// SPDX-License-Identifier: Apache-2.0
// libmnl and the system calls. With Thread.swift the only file of the room that touches unsafe memory.

import CMNL
import Glibc
import SRv6

/// A netlink socket in the network namespace of the thread that opened it.
///
/// Sending and receiving are single system calls on a descriptor that never changes, so threads may share one.
@safe
struct Socket: ~Copyable, @unchecked Sendable {
    private let handle: OpaquePointer

    /// *Throws*: when the kernel refuses the socket.
    init(bus: Int32, blocks: Bool) throws(SystemError) {
        let flags = Int32(SOCK_CLOEXEC.rawValue) | (blocks ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        guard let opened = unsafe mnl_socket_open2(bus, flags) else {
            throw SystemError("open a netlink socket", code: errno)
        }
        guard unsafe mnl_socket_bind(opened, 0, pid_t(MNL_SOCKET_AUTOPID)) == 0 else {
            let code = errno
            unsafe mnl_socket_close(opened)
            throw SystemError("bind a netlink socket", code: code)
        }
        unsafe handle = opened
    }

    deinit { unsafe _ = mnl_socket_close(handle) }

    var descriptor: Int32 { unsafe mnl_socket_get_fd(handle) }

    /// Sizes the queue of messages that are waiting to be read, beyond the system's limit where we may.
    func setReceiveBuffer(byteCount: Int) throws(SystemError) {
        let size = Int32(clamping: byteCount)
        if unsafe cmnl_set_option(handle, SOL_SOCKET, SO_RCVBUFFORCE, size) == 0 { return }
        guard unsafe cmnl_set_option(handle, SOL_SOCKET, SO_RCVBUF, size) == 0 else {
            throw SystemError("size the receive buffer of a netlink socket", code: errno)
        }
    }

    /// Joins a multicast group, RTNLGRP_*.
    func join(_ group: rtnetlink_groups) throws(SystemError) {
        let number = Int32(group.rawValue)
        guard unsafe cmnl_set_option(handle, SOL_NETLINK, Int32(NETLINK_ADD_MEMBERSHIP), number) == 0 else {
            throw SystemError("join rtnetlink group \(number)", code: errno)
        }
    }

    func send(_ request: Request) throws(SystemError) {
        let sent = unsafe request.octets.withUnsafeBytes { octets in
            unsafe mnl_socket_sendto(handle, octets.baseAddress, octets.count)
        }
        guard sent == request.octets.count else { throw SystemError("send a netlink request", code: errno) }
    }

    /// Receives one datagram into `buffer` and shows it to `body`.
    ///
    /// *Throws*: EAGAIN when there is none, ENOBUFS when some were lost, ENOSPC when it did not fit.
    func receive(into buffer: inout [UInt8], _ body: (RawSpan) -> Void) throws(SystemError) {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { octets in
                unsafe mnl_socket_recvfrom(handle, octets.baseAddress, octets.count)
            }
            if count >= 0 {
                unsafe body(buffer.span.bytes.extracting(0..<count))
                return
            }
            if errno != EINTR { throw SystemError("receive from a netlink socket", code: errno) }
        }
    }
}

/// An eventfd: one thread wakes another that polls.
final class Bell: Sendable {
    let descriptor: Int32

    init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard descriptor >= 0 else { throw SystemError("create an eventfd", code: errno) }
    }

    deinit { close(descriptor) }

    func ring() { eventfd_write(descriptor, 1) }
}

/// Waits until one of `descriptors` is readable.
///
/// *Returns*: for each of them, whether it is (or is broken, which reading will tell); all false after the timeout.
func waitReadable(_ descriptors: [Int32], milliseconds: Int32) -> [Bool] {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let count = unsafe poll(&entries, nfds_t(entries.count), milliseconds)
    return entries.map { count > 0 && $0.revents != 0 }
}
