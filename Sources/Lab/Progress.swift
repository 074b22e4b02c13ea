// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Says what is going on, one line per phase, with the time since the beginning.
struct Progress: Sendable {
    private let start = ContinuousClock().now

    /// Begins the next phase.
    func step(_ what: String) {
        let tenths = Int(((ContinuousClock().now - start) / .milliseconds(100)).rounded())
        let time = "\(tenths / 10).\(tenths % 10) s"
        print("[\(String(repeating: " ", count: max(0, 7 - time.count)))\(time)] \(what) …")
        fflush(nil)
    }
}
