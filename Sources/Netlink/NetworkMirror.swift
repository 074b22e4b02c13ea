// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Synchronization
import Wire

/// The kernel's links, addresses, neighbors, routes, rules and SR tunnel source, mirrored.
///
/// The consumer is told what is there, and from then on what becomes different, never what it knows already. When
/// notifications are lost, or do not tell all, the mirror dumps the kernel's tables and hands on the differences
/// alone.
///
/// A route over a link without a carrier stays, without that next hop; with no next hop at all when it was the only
/// one.
public final class NetworkMirror: Sendable {
    /// Enough for the notifications about some tens of thousands of routes that change at once.
    public static let defaultReceiveBufferByteCount = 32 << 20

    private let shared: Shared
    private let phase = Mutex(Phase.idle)

    private enum Phase: Sendable {
        case idle
        case following(Thread)
        case stopped
    }

    /// Opens sockets in the network namespace of the calling thread; the mirror stays there.
    ///
    /// *Requires*: `receiveBufferByteCount`, the size of the queue of notifications. More than the system's limit
    /// takes CAP_NET_ADMIN.
    /// *Throws*: when the kernel refuses a socket.
    public init(receiveBufferByteCount: Int = NetworkMirror.defaultReceiveBufferByteCount) throws(SystemError) {
        shared = try Shared(receiveBufferByteCount: receiveBufferByteCount)
    }

    deinit { stop() }

    /// Delivers the whole state in one batch, on the calling thread and before it returns; then every difference, in
    /// batches, on a thread of the mirror's own.
    ///
    /// A batch names links first, then addresses, neighbors, the tunnel source, policy routing, routes.
    ///
    /// *Requires*: that the mirror was not started before, and that the calling thread is in the network namespace
    /// of `init`. The calling thread has CAP_NET_ADMIN: the tunnel source cannot be read without. `deliver` must not
    /// call `stop`; while it runs, notifications wait.
    /// *Throws*: when a dump fails; then the mirror is stopped.
    /// *Cost*: blocks for the time of the dumps, some microseconds for each route.
    public func start(deliver: @escaping @Sendable ([NetworkChange]) -> Void) throws(SystemError) {
        phase.withLock { phase in
            guard case .idle = phase else { preconditionFailure("a mirror starts once") }
            phase = .stopped
        }
        let follower = try Follower(shared: shared, deliver: deliver)
        try follower.begin()
        let thread = try Thread { follower.run() }
        phase.withLock { $0 = .following(thread) }
    }

    /// Ends the delivery; none is under way when it returns. Again is harmless.
    ///
    /// *Cost*: waits for the delivery or the dump that is under way.
    public func stop() {
        let thread = phase.withLock { phase -> Thread? in
            defer { phase = .stopped }
            guard case .following(let thread) = phase else { return nil }
            return thread
        }
        shared.bell.ring()
        guard let thread else { return }
        precondition(!thread.isCurrent, "a mirror cannot be stopped from its own delivery")
        thread.join()
    }

    /// Asks the kernel to keep a neighbor's entry usable, as if a packet had been sent to it: it probes an entry
    /// that has become stale and resolves one that is gone. What becomes of it is delivered as a change.
    ///
    /// *Requires*: the entry is not permanent; the kernel would make it an ordinary one.
    /// *Cost*: one system call, for which nothing is waited.
    public func refresh(_ key: Neighbor.Key) {
        let family: Int32 = if case .v4 = key.address { AF_INET } else { AF_INET6 }
        // struct ndmsg: family, padding, index, state, flags, type
        let fixed =
            [UInt8(family), 0, 0, 0] + Request.octets(of: Int32(clamping: key.linkIndex)) + [0, 0, UInt8(NTF_USE), 0]
        var request = Request(
            type: RTM_NEWNEIGH, flags: NLM_F_REQUEST | NLM_F_CREATE, sequence: 0, fixed: fixed)
        request.append(NDA_DST, Request.octets(of: key.address))
        do throws(SystemError) {
            try shared.requests.send(request)
        } catch {
            // The link may be gone by now, or memory short: the caller asks again as long as the entry is in use.
            return
        }
    }

    /// How often tables were dumped again because notifications were lost or did not tell all.
    public var resynchronizations: Int { shared.resynchronizations.load(ordering: .relaxed) }

    /// How often notifications were lost.
    public var overruns: Int { shared.overruns.load(ordering: .relaxed) }
}
