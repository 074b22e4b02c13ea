// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6

/// A POSIX thread: netlink is waited for on one, not on the cooperative pool.
struct Thread: Sendable {
    private let handle: pthread_t

    /// Runs `body` on a new thread.
    init(_ body: sending @escaping () -> Void) throws(SystemError) {
        let work = unsafe Unmanaged.passRetained(Work(body: body))
        var handle = pthread_t()
        let code = unsafe pthread_create(
            &handle, nil,
            { raw in
                guard let raw = unsafe raw else { return nil }
                unsafe Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            unsafe work.release()
            throw SystemError("create a thread", code: code)
        }
        self.handle = handle
    }

    var isCurrent: Bool { pthread_equal(handle, pthread_self()) != 0 }

    /// Waits for its end. Once only.
    func join() { pthread_join(handle, nil) }

    private final class Work {
        let body: () -> Void
        init(body: @escaping () -> Void) { self.body = body }
    }
}
