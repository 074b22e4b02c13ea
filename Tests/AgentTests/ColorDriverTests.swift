// SPDX-License-Identifier: Apache-2.0
import Agent
import Measurement
import SRv6
import Testing

/// A clock that the test moves.
private final class ScriptedTime {
    /// True time since the epoch, which is also what the monotonic clock shows.
    var nanoseconds: Int64
    /// How far the wall clock is from the truth.
    var error: Int64 = 0

    init(milliseconds: Int64) { nanoseconds = milliseconds * 1_000_000 }

    var wall: WallTime { WallTime(nanoseconds: nanoseconds + error) }
    var moment: Moment { Moment(wall: wall, monotonic: Nanoseconds(nanoseconds)) }
}

@Suite struct ColorDriverTests {
    private let clock = ColorClock(period: .seconds(1))

    /// Drives to each moment in turn; gives what was done there, and when the driver wants to come again.
    private func drive(_ steps: [(at: Int64, error: Int64)]) -> (done: [[String]], next: [Int64]) {
        let time = ScriptedTime(milliseconds: 0)
        let router = ScriptedRouter()
        let meter = Meter(router: router, clock: clock)
        var reports: [String] = []
        var readings = 0
        var driver = ColorDriver(meter: meter, clock: clock, time: { time.moment }, report: { reports.append($0) })
        var done: [[String]] = []
        var next: [Int64] = []
        for step in steps {
            time.nanoseconds = step.at * 1_000_000
            time.error = step.error * 1_000_000
            let (logged, reported, read) = (router.log.count, reports.count, readings)
            let wake = driver.tick { body in
                readings += 1
                body()
            }
            next.append(wake.count / 1_000_000 - step.at)
            done.append(
                router.log[logged...] + reports[reported...] + Array(repeating: "read", count: readings - read))
        }
        return (done, next)
    }

    @Test func switchesAtBoundariesAndReadsBetween() {
        let (done, next) = drive([
            (10_200, 0), (10_499, 0), (10_500, 0), (10_999, 0), (11_000, 0), (11_500, 0), (12_003, 0),
        ])
        #expect(done == [["color a"], [], ["read"], [], ["color b"], ["read"], ["color a"]])
        #expect(next == [300, 1, 500, 1, 500, 500, 497])
    }

    @Test func aStartBehindTheMiddleReadsAtOnce() {
        let (done, next) = drive([(10_700, 0), (11_000, 0)])
        #expect(done == [["color a", "read"], ["color b"]])
        #expect(next == [300, 500])
    }

    @Test func aLateSwitchIsReported() {
        let (done, _) = drive([(10_000, 0), (11_251, 0)])
        #expect(
            done[1] == [
                "color b", "color switched from block 10 to block 11, 251 ms into it: blocks up to 12 are incomplete",
            ])
    }

    @Test func aStallIsRecoveredFrom() {
        let (done, _) = drive([(10_000, 0), (13_600, 0), (14_000, 0)])
        #expect(
            done == [
                ["color a"],
                [
                    "color b",
                    "color switched from block 10 to block 13, 600 ms into it: blocks up to 14 are incomplete",
                    "read",
                ], ["color a"],
            ])
    }

    @Test func aClockSetForwardIsFollowed() {
        let (done, _) = drive([(10_100, 0), (10_150, 5_000)])
        #expect(done[1].prefix(2) == ["color b", "wall clock set by 5s: resuming with block 15"])
    }

    @Test func aClockSetBackIsFollowed() {
        let (done, _) = drive([(20_100, 0), (20_150, -5_000)])
        #expect(done[1].prefix(2) == ["color b", "wall clock set by -5s: resuming with block 15"])
    }

    @Test func aSmallStepBackOverABoundaryKeepsTheColor() {
        let (done, next) = drive([(10_990, 0), (11_000, 0), (11_010, -20), (11_030, -20), (11_520, -20)])
        #expect(done[1] == ["color b"])
        #expect(done[2] == ["wall clock set by -20ms: resuming with block 10"])
        #expect(done[3] == [] && done[4] == ["read"])
        #expect(next[2] == 510)
    }

    @Test func slewingIsNoStep() {
        let (done, _) = drive((0..<20).map { (10_000 + $0 * 50, $0 * 4) })
        #expect(done.joined().filter { $0.contains("clock") } == [])
    }
}

/// A path from a sender to a receiver with loss and delay, each end with its own clock and its own faults.
private struct Simulation {
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var mixed = state
            mixed = (mixed ^ (mixed >> 33)) &* 0xff51_afd7_ed55_8ccd
            return mixed ^ (mixed >> 33)
        }
    }

    struct End {
        let time = ScriptedTime(milliseconds: start)
        let router: ScriptedRouter
        let meter: Meter
        let flow: Flow
        var driver: ColorDriver
        var nextTick: Int64 = 0
        var stalledUntil: Int64 = 0

        init(_ direction: FlowDirection) throws {
            flow = Flow(policy: Sample.egress.policy, direction: direction)
            router = ScriptedRouter(maximumFlows: 1)
            meter = Meter(router: router, clock: Simulation.clock)
            driver = ColorDriver(
                meter: meter, clock: Simulation.clock, time: { [time] in time.moment }, report: { _ in })
            try meter.addFlow(flow)
        }

        mutating func advance(to now: Int64) {
            time.nanoseconds = now
            guard now >= nextTick, now >= stalledUntil else { return }
            // As the thread does: never asleep for longer than 50 ms.
            nextTick = min(driver.tick().count, now + 50_000_000)
        }
    }

    /// What only somebody who sees every packet knows.
    struct Truth: Equatable {
        var sent: UInt64 = 0
        var lost: Int64 = 0
    }

    static let clock = ColorClock(period: .seconds(1))
    static let start: Int64 = 1_000_000
    /// Resolution of the simulation, 20 ms.
    static let step: Int64 = 20_000_000

    var random: Random
    var sender: End
    var receiver: End
    private var underWay: [(arrival: Int64, color: MarkColor)] = []
    var truth: [Int64: Truth] = [:]
    /// The block whose color the sender is marking with.
    var label: Int64 = 0

    init(seed: UInt64) throws {
        random = Random(state: seed)
        sender = try End(.egress)
        receiver = try End(.ingress)
    }

    var now: Int64 { sender.time.nanoseconds }

    /// Runs for some blocks; `faults` may spoil something at every step.
    mutating func run(blocks: Int64, faults: (inout Simulation) -> Void) {
        let end = now + blocks * Self.clock.period.count
        while now < end {
            let time = now + Self.step
            faults(&self)
            sender.advance(to: time)
            receiver.advance(to: time)
            let active = sender.router.activeColor
            // The block of the color that is active: the sender may not have got to the present one yet.
            let block = Self.clock.block(at: sender.time.wall)
            if Self.clock.color(ofBlock: block) == active { label = block }
            for _ in 0..<Int.random(in: 0...4, using: &random) { send(active, at: time) }
            deliver(at: time)
        }
    }

    private mutating func send(_ color: MarkColor, at time: Int64) {
        sender.router.count(sender.flow, color)
        truth[label, default: Truth()].sent += 1
        if Int.random(in: 0..<10, using: &random) == 0 {
            truth[label, default: Truth()].lost += 1
        } else {
            underWay.append((time + Int64.random(in: 0...100_000_000, using: &random), color))
        }
    }

    private mutating func deliver(at time: Int64) {
        for packet in underWay where packet.arrival <= time { receiver.router.count(receiver.flow, packet.color) }
        underWay.removeAll { $0.arrival <= time }
    }

    /// Losses of the blocks that both ends call complete, from a moment on.
    func losses(from time: Int64) throws -> [Loss] {
        let received = Dictionary(
            try receiver.meter.blocks(of: receiver.flow).map { ($0.number, $0) }, uniquingKeysWith: { _, last in last })
        return try sender.meter.blocks(of: sender.flow).filter { $0.start.nanoseconds >= time }.compactMap { block in
            received[block.number].flatMap { Loss(sender: block, receiver: $0) }
        }
    }
}

@Suite struct ExactnessTests {
    /// Every loss of a block that both ends call complete is the truth, packet for packet.
    private func check(_ simulation: Simulation, from time: Int64, atLeast minimum: Int, seed: UInt64) throws {
        let losses = try simulation.losses(from: time)
        #expect(losses.count >= minimum, "seed \(seed)")
        for loss in losses {
            let truth = Simulation.Truth(sent: loss.sent.packets, lost: loss.packets)
            #expect(simulation.truth[loss.block] == truth, "block \(loss.block), seed \(seed)")
            #expect(loss.octets == loss.packets * 100, "block \(loss.block), seed \(seed)")
        }
    }

    @Test(arguments: UInt64(0)..<10)
    func withoutFaultsEveryBlockIsMeasured(seed: UInt64) throws {
        var simulation = try Simulation(seed: seed)
        simulation.run(blocks: 100) { _ in }
        try check(simulation, from: 0, atLeast: 98, seed: seed)
    }

    @Test(arguments: UInt64(0)..<40)
    func stallsAndDriftCostBlocksButNotExactness(seed: UInt64) throws {
        var simulation = try Simulation(seed: seed)
        simulation.run(blocks: 110) { simulation in
            // Clocks wander, no further than 50 ms from the truth.
            let drift = Int64.random(in: -1_000_000...1_000_000, using: &simulation.random)
            simulation.sender.time.error = min(50_000_000, max(-50_000_000, simulation.sender.time.error + drift))
            simulation.receiver.time.error = min(50_000_000, max(-50_000_000, simulation.receiver.time.error - drift))
            // Now and then a node does nothing for up to three blocks.
            let length = Int64.random(in: 50_000_000...3_000_000_000, using: &simulation.random)
            switch Int.random(in: 0..<600, using: &simulation.random) {
            case 0: simulation.sender.stalledUntil = simulation.now + length
            case 1: simulation.receiver.stalledUntil = simulation.now + length
            default: break
            }
        }
        try check(simulation, from: 0, atLeast: 10, seed: seed)
    }

    @Test(arguments: UInt64(0)..<40, [true, false])
    func aClockThatIsPutRightIsExactFromThenOn(seed: UInt64, isSender: Bool) throws {
        var simulation = try Simulation(seed: seed)
        let error = Int64.random(in: -5_000_000_000...5_000_000_000, using: &simulation.random)
        let time = isSender ? simulation.sender.time : simulation.receiver.time
        time.error = error
        simulation.run(blocks: 20) { _ in }
        simulation.run(blocks: 1) { simulation in
            if Int.random(in: 0..<40, using: &simulation.random) == 0 { time.error = 0 }
        }
        time.error = 0
        // What was measured by a wrong clock is wrong, and nobody could know.
        simulation.truth = [:]
        simulation.label = 0
        let right = simulation.now
        simulation.run(blocks: 20) { _ in }
        try check(simulation, from: right, atLeast: 14, seed: seed)
    }
}
