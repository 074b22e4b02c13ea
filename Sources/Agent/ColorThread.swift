// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Measurement
import Synchronization

/// A thread that drives the color by the system's clocks.
final class ColorThread: Sendable {
    /// How long a set clock may go unnoticed.
    private static let longestSleep = Nanoseconds.milliseconds(50)

    private let isStopped = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    init(meter: Meter, clock: ColorClock, report: @escaping @Sendable (String) -> Void) {
        let thread = Thread { [self] in
            if !Self.setPriority(realtime: true) {
                report("no real-time priority for the color clock: switches may be late under load")
            }
            var driver = ColorDriver(meter: meter, clock: clock, time: Self.now, report: report)
            while !isStopped.load(ordering: .relaxed) {
                // Reading many flows takes milliseconds, which must not be taken from a worker on the same core.
                let next = driver.tick { body in
                    _ = Self.setPriority(realtime: false)
                    body()
                    _ = Self.setPriority(realtime: true)
                }
                Self.sleep(until: min(next, Self.monotonic() + Self.longestSleep))
            }
            ended.signal()
        }
        thread.name = "color"
        thread.start()
    }

    /// Ends the thread and waits for it.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        ended.wait()
    }

    /// Both clocks, read within 100 microseconds unless the system does not let that happen.
    static func now() -> Moment {
        var before = monotonic()
        for _ in 0..<10 {
            let wall = wall()
            let after = monotonic()
            if after - before < Nanoseconds(100_000) { return Moment(wall: wall, monotonic: before) }
            before = after
        }
        return Moment(wall: wall(), monotonic: before)
    }

    static func wall() -> WallTime { WallTime(nanoseconds: read(CLOCK_REALTIME)) }

    private static func monotonic() -> Nanoseconds { Nanoseconds(read(CLOCK_MONOTONIC)) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        // Cannot fail for clocks that every kernel has.
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func sleep(until time: Nanoseconds) {
        var until = timespec(tv_sec: Int(time.count / 1_000_000_000), tv_nsec: Int(time.count % 1_000_000_000))
        // Woken early by a signal is as good as on time: the caller looks at the clock.
        unsafe _ = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nil)
    }

    private static func setPriority(realtime: Bool) -> Bool {
        var parameters = sched_param()
        parameters.sched_priority = realtime ? 1 : 0
        return unsafe pthread_setschedparam(pthread_self(), realtime ? SCHED_FIFO : SCHED_OTHER, &parameters) == 0
    }
}
