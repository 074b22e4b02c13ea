// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Seconds of the wall clock since 1970.
public func wallClock() -> Double {
    var now = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}

/// Sleeps until the wall clock shows `time`.
public func sleep(untilWallClock time: Double) {
    var remaining = time - wallClock()
    while remaining > 0 {
        var pause = timespec(tv_sec: Int(remaining), tv_nsec: Int(remaining.truncatingRemainder(dividingBy: 1) * 1e9))
        unsafe nanosleep(&pause, nil)
        remaining = time - wallClock()
    }
}

/// Looks at a condition again and again until it holds.
///
/// *Throws*: `LabError.timeout` when it does not within `limit`; the condition is looked at once more at the end.
public func wait(
    for what: String, upTo limit: Duration = .seconds(10), every pause: Duration = .milliseconds(10),
    until condition: () throws(LabError) -> Bool
) throws(LabError) {
    let clock = ContinuousClock()
    let end = clock.now + limit
    while true {
        let isLast = clock.now >= end
        if try condition() { return }
        if isLast { throw .timeout(what) }
        usleep(UInt32(pause / .microseconds(1)))
    }
}

/// Writes a line to standard error at once.
func announce(_ line: String) {
    let octets = Array((line + "\n").utf8)
    _ = unsafe octets.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
