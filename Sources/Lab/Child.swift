// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A process that the laboratory has started.
public final class Child: Sendable {
    public let name: String
    public let pid: pid_t
    /// Where its output goes, nil when somebody else reads it.
    public let log: String?
    private let ended = Mutex<Int32?>(nil)

    init(name: String, pid: pid_t, log: String? = nil) {
        self.name = name
        self.pid = pid
        self.log = log
    }

    /// The exit status, or 128 and the number of the signal that ended it; nil while the process lives.
    public var status: Int32? {
        ended.withLock { ended in
            if let ended { return ended }
            var raw: Int32 = 0
            // Under the lock, so that the process is waited for once and its id is not another's by then.
            guard unsafe waitpid(pid, &raw, WNOHANG) == pid else { return nil }
            ended = raw & 0x7f == 0 ? raw >> 8 & 0xff : 128 + raw & 0x7f
            return ended
        }
    }

    /// What it has written to its log so far.
    public var output: String { log.flatMap { contents(of: $0) } ?? "" }

    /// Sends a signal, unless the process has ended.
    public func signal(_ number: Int32) {
        guard status == nil else { return }
        Glibc.kill(pid, number)
    }

    /// Waits for the end. *Returns*: the status.
    @discardableResult
    public func waitForEnd(upTo limit: Duration) throws(LabError) -> Int32 {
        try wait(for: "`\(name)` to end", upTo: limit) { () throws(LabError) in status != nil }
        return status ?? -1
    }

    /// Ends the process without asking, and waits until it is gone.
    public func kill() {
        signal(SIGKILL)
        // A killed process ends; only one stuck in the kernel could outlast this.
        _ = try? waitForEnd(upTo: .seconds(10))
    }

    /// Asks the process to end, and kills it when it has not after `grace`.
    public func terminate(grace: Duration = .seconds(5)) {
        signal(SIGTERM)
        do { try waitForEnd(upTo: grace) } catch { kill() }
    }
}
