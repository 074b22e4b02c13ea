// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Synchronization
import Wire

/// What the mirror's owner and its thread share.
final class Shared: Sendable {
    /// Notifications. thread: receives
    let monitor: Socket
    /// Requests to keep neighbors, which nobody waits for. owner: sends, thread: drains the kernel's complaints
    let requests: Socket
    /// owner: rings, to end the thread
    let bell: Bell
    let resynchronizations = Atomic<Int>(0)
    let overruns = Atomic<Int>(0)

    init(receiveBufferByteCount: Int) throws(SystemError) {
        monitor = try Socket(bus: NETLINK_ROUTE, blocks: false)
        try monitor.setReceiveBuffer(byteCount: receiveBufferByteCount)
        requests = try Socket(bus: NETLINK_ROUTE, blocks: false)
        bell = try Bell()
    }
}

/// Follows the kernel: reads notifications into the picture, dumps what is in doubt, hands on the differences.
///
/// Used by one thread at a time: the one that starts it, then its own.
final class Follower {
    private let shared: Shared
    private var kernel: Kernel
    private var picture = Picture()
    private let deliver: @Sendable ([NetworkChange]) -> Void
    private var buffer = [UInt8](repeating: 0, count: Channel.bufferByteCount)
    /// When what is in doubt may be dumped, and the tunnel source read.
    private var dumpDue: ContinuousClock.Instant?
    private var tunnelSourceDue: ContinuousClock.Instant
    private var lastDumpEnd: ContinuousClock.Instant
    private var lastDumpDuration = Duration.zero

    /// Notifications taken into one batch at most, so that a stream of them does not keep the consumer waiting.
    private static let batchLimit = 4096
    /// Doubts often come in numbers: those of one moment share a dump.
    private static let dumpDelay = Duration.milliseconds(10)
    private static let retryInterval = Duration.seconds(1)
    private static let tunnelSourceInterval = Duration.seconds(1)

    init(shared: Shared, deliver: @escaping @Sendable ([NetworkChange]) -> Void) throws(SystemError) {
        self.shared = shared
        self.deliver = deliver
        kernel = try Kernel()
        lastDumpEnd = .now
        tunnelSourceDue = .now
    }

    /// Subscribes, dumps everything and delivers it. What happens meanwhile is told by notifications, in ``run()``.
    func begin() throws(SystemError) {
        let groups = [
            RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEIGH, RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEXTHOP,
        ]
        for group in groups { try shared.monitor.join(group) }
        try dump(.everything)
        picture.setTunnelSource(try kernel.readTunnelSource())
        tunnelSourceDue = .now + Self.tunnelSourceInterval
        handOn()
    }

    /// Follows until the bell rings.
    func run() {
        let descriptors = [shared.bell.descriptor, shared.monitor.descriptor, shared.requests.descriptor]
        while true {
            let isReady = waitReadable(descriptors, milliseconds: timeout())
            if isReady[0] { return }
            if isReady[1] { readNotifications() }
            if isReady[2] { drainComplaints() }
            resolveDoubts()
            readTunnelSource()
            handOn()
        }
    }

    // MARK: Steps

    private func readNotifications() {
        for _ in 0..<Self.batchLimit {
            do throws(SystemError) {
                try shared.monitor.receive(into: &buffer) { datagram in
                    datagram.forEachMessage { picture.apply($0, $1) }
                }
            } catch {
                if error.code == EAGAIN {
                    picture.caughtUp()
                    return
                }
                // ENOBUFS: the kernel dropped some, and drops all until its queue has been read empty. ENOSPC: one was
                // larger than the buffer. Whatever else is lost as well.
                shared.overruns.add(1, ordering: .relaxed)
                picture.doubts = .everything
                if error.code != ENOBUFS && error.code != ENOSPC { return }
            }
        }
    }

    /// Nothing is done about a neighbor that the kernel would not keep; the queue must not fill up.
    private func drainComplaints() {
        do throws(SystemError) {
            while true { try shared.requests.receive(into: &buffer) { _ in } }
        } catch {
            // Empty, or overrun: all the same here.
            return
        }
    }

    private func resolveDoubts() {
        if picture.doubts.contains(.rules) && picture.doubts != .everything {
            // Few, and read at once.
            _ = attempt { () throws(SystemError) in try dump(.rules) }
        }
        guard !picture.doubts.isEmpty else { return }
        let now = ContinuousClock.now
        let due = dumpDue ?? max(now + Self.dumpDelay, lastDumpEnd + lastDumpDuration * 2)
        dumpDue = due
        guard due <= now else { return }
        shared.resynchronizations.add(1, ordering: .relaxed)
        let isDone = attempt { () throws(SystemError) in
            try kernel.waitForConfiguration()
            try dump(picture.doubts)
        }
        dumpDue = isDone ? nil : now + Self.retryInterval
    }

    private func readTunnelSource() {
        guard tunnelSourceDue <= .now else { return }
        tunnelSourceDue = .now + Self.tunnelSourceInterval
        _ = attempt { () throws(SystemError) in picture.setTunnelSource(try kernel.readTunnelSource()) }
    }

    private func handOn() {
        let changes = picture.takeChanges()
        if !changes.isEmpty { deliver(changes) }
    }

    // MARK: Parts

    /// Dumps `parts`. A part is in doubt until its dump is whole.
    private func dump(_ parts: Picture.Doubts) throws(SystemError) {
        let begin = ContinuousClock.now
        defer {
            lastDumpEnd = .now
            lastDumpDuration = lastDumpEnd - begin
        }
        picture.doubts.formUnion(parts)
        if parts.contains(.links) {
            let links = try kernel.dumpLinks()
            picture.replaceLinks(with: links.items)
            settle(.links, links.isWhole)
        }
        if parts.contains(.addresses) {
            let addresses = try kernel.dumpAddresses()
            picture.replaceAddresses(with: addresses.items)
            settle(.addresses, addresses.isWhole)
        }
        if parts.contains(.neighbors) {
            let neighbors = try kernel.dumpNeighbors()
            picture.replaceNeighbors(with: neighbors.items)
            settle(.neighbors, neighbors.isWhole)
        }
        if parts.contains(.rules) {
            let rules = try kernel.dumpRules()
            picture.replaceRules(with: rules.items)
            settle(.rules, rules.isWhole)
        }
        for (part, isIPv6) in [(Picture.Doubts.routes4, false), (.routes6, true)] where parts.contains(part) {
            let routes = try kernel.dumpRoutes(isIPv6: isIPv6)
            picture.replaceRoutes(isIPv6: isIPv6, with: routes.groups, isWhole: routes.isWhole)
            settle(part, routes.isWhole)
        }
    }

    private func settle(_ part: Picture.Doubts, _ isWhole: Bool) {
        if isWhole { picture.doubts.remove(part) }
    }

    /// What fails while following is in doubt still, and so is tried again.
    ///
    /// *Returns*: whether it succeeded.
    private func attempt(_ body: () throws(SystemError) -> Void) -> Bool {
        do throws(SystemError) { try body() } catch { return false }
        return true
    }

    /// Milliseconds to the next thing to do, rounded up.
    private func timeout() -> Int32 {
        // In doubt, but not yet due at a time: a dump just now was not whole.
        if !picture.doubts.isEmpty && dumpDue == nil { return 0 }
        let due = dumpDue.map { min($0, tunnelSourceDue) } ?? tunnelSourceDue
        let (seconds, attoseconds) = max(.zero, due - .now).components
        return Int32(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}
