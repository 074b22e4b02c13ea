// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Runs `body` on a thread of its own. A thread, not a task: it may block, and it may leave its namespace.
///
/// *Returns*: the thread, to be joined or detached.
@discardableResult
func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let box = unsafe Unmanaged.passRetained(Box(body)).toOpaque()
    let code = unsafe pthread_create(
        &thread, nil,
        { argument in
            guard let argument = unsafe argument else { return nil }
            unsafe Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
            return nil
        }, box)
    precondition(code == 0, "out of threads")
    return thread
}
