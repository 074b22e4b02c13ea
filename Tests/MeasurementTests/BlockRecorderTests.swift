// SPDX-License-Identifier: Apache-2.0
import Measurement
import SRv6
import Testing
import Wire

private func flow(_ last: String, _ direction: FlowDirection = .egress) throws -> Flow {
    Flow(policy: Policy(segments: try #require(SegmentList("fcff:2::1,\(last)"))), direction: direction)
}

/// A node whose counters and clock the test moves by hand. Blocks last 1000 ms.
private struct Node {
    let clock = ColorClock(period: .seconds(1))
    var recorder: BlockRecorder
    var counters: [Flow: CounterSnapshot] = [:]
    var flows: [Flow]
    /// A factor that makes octets tell packets apart.
    private let octetsPerPacket: UInt64 = 131

    init(_ flows: [Flow], kept: Int = 128) {
        recorder = BlockRecorder(clock: clock, keptBlockCount: kept)
        self.flows = flows
        for flow in flows { counters[flow] = CounterSnapshot() }
    }

    /// Counts packets in the color of a block.
    mutating func count(_ packets: UInt64, of flow: Flow, in block: Int64) {
        let more = PacketCount(packets: packets, octets: packets * octetsPerPacket)
        if clock.color(ofBlock: block) == .a {
            counters[flow, default: .init()].a = counters[flow, default: .init()].a + more
        } else {
            counters[flow, default: .init()].b = counters[flow, default: .init()].b + more
        }
    }

    /// Reads `milliseconds` after the beginning of a block, taking `duration`.
    mutating func read(in block: Int64, after milliseconds: Int64 = 500, duration: Int64 = 0) -> [Block] {
        let begin = clock.start(ofBlock: block) + .milliseconds(milliseconds)
        return recorder.record(
            flows.map { FlowReading(flow: $0, counters: counters[$0] ?? .init()) }, from: begin,
            to: begin + .milliseconds(duration))
    }

    @discardableResult
    mutating func enter(_ block: Int64, late milliseconds: Int64 = 0) -> Bool {
        recorder.switched(to: block, at: clock.start(ofBlock: block) + .milliseconds(milliseconds))
    }
}

/// What the tests compare of a block.
private func summary(_ blocks: [Block]) -> [String] {
    blocks.map { "\($0.number) \($0.color) \($0.count.packets)\($0.isComplete ? "" : " incomplete")" }
}

@Suite struct BlockRecorderTests {
    @Test func blocksAreDifferencesOfTheirColorsReadings() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        var closed: [[String]] = []
        for block in Int64(100)...106 {
            node.enter(block)
            node.count(UInt64(block), of: flow, in: block)
            closed.append(summary(node.read(in: block)))
        }
        // 99 gives the first baseline of B, 100 would be partial.
        #expect(closed == [[], [], ["101 b 101"], ["102 a 102"], ["103 b 103"], ["104 a 104"], ["105 b 105"]])
    }

    @Test func blocksSayWhenTheyWere() throws {
        let flow = try flow("fcff:3::100", .ingress)
        var node = Node([flow])
        for block in Int64(6)...8 {
            node.count(5, of: flow, in: block)
            _ = node.read(in: block)
        }
        let block = try #require(node.recorder.blocks(of: flow).first)
        #expect(
            block
                == Block(
                    flow: flow, number: 7, color: .b, count: PacketCount(packets: 5, octets: 655),
                    start: WallTime(nanoseconds: 7_000_000_000), end: WallTime(nanoseconds: 8_000_000_000),
                    isComplete: true))
    }

    @Test func emptyBlocksAreBlocks() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(0)...3 { _ = node.read(in: block) }
        #expect(summary(node.recorder.blocks()) == ["1 b 0", "2 a 0"])
    }

    @Test func aFlowAddedBeforeTheMiddleHasItsNextBlock() throws {
        let (old, new) = (try flow("fcff:3::100"), try flow("fcff:4::100"))
        var node = Node([old])
        for block in Int64(10)...13 { _ = node.read(in: block) }
        // Added at 14.2: 14 is partial, 15 is whole.
        node.flows.append(new)
        node.count(7, of: new, in: 14)
        _ = node.read(in: 14)
        node.count(8, of: new, in: 15)
        _ = node.read(in: 15)
        _ = node.read(in: 16)
        #expect(summary(node.recorder.blocks(of: new)) == ["15 b 8"])
    }

    @Test func aFlowAddedBehindTheMiddleHasTheBlockAfterTheNext() throws {
        let (old, new) = (try flow("fcff:3::100"), try flow("fcff:4::100"))
        var node = Node([old])
        for block in Int64(10)...14 { _ = node.read(in: block) }
        node.flows.append(new)
        for block in Int64(15)...17 {
            node.count(UInt64(block), of: new, in: block)
            _ = node.read(in: block)
        }
        #expect(summary(node.recorder.blocks(of: new)) == ["16 a 16"])
    }

    @Test(arguments: [(249, 0), (751, 0), (0, 0), (999, 0), (400, 351), (740, 20)])
    func readingsNearASwitchAreIgnored(after: Int64, duration: Int64) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 { _ = node.read(in: block) }
        let closed = node.read(in: 14, after: after, duration: duration)
        #expect(closed.isEmpty)
        // And the real one is still taken.
        #expect(summary(node.read(in: 14)) == ["13 b 0"])
    }

    @Test(arguments: [(250, 0), (750, 0), (250, 500), (500, 100)])
    func readingsInTheMiddleHalfAreTaken(after: Int64, duration: Int64) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 { _ = node.read(in: block) }
        #expect(summary(node.read(in: 14, after: after, duration: duration)) == ["13 b 0"])
    }

    @Test func aSecondReadingOfABlockIsIgnored() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 {
            node.count(3, of: flow, in: block)
            _ = node.read(in: block)
            #expect(node.read(in: block, after: 700).isEmpty)
        }
        #expect(summary(node.recorder.blocks()) == ["11 b 3", "12 a 3"])
    }

    @Test func aMissedReadingCostsTheBlocksThatItTouches() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        var closed: [[String]] = []
        for block in Int64(10)...18 {
            node.enter(block)
            node.count(1, of: flow, in: block)
            if block != 14 { closed.append(summary(node.read(in: block))) }
        }
        // Nobody read 13 in 14: 15 then holds two blocks of B, and 14 is not trusted although it could be.
        #expect(
            closed == [
                [], [], ["11 b 1"], ["12 a 1"], ["14 a 1 incomplete"], ["15 b 2 incomplete"], ["16 a 1"], ["17 b 1"],
            ])
    }

    @Test(arguments: [2, 3, 4, 5, 100])
    func anyNumberOfMissedReadingsIsRecoveredFrom(missed: Int64) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 { _ = node.read(in: block) }
        let first = 14 + missed
        for block in first...first + 3 {
            node.count(1, of: flow, in: block)
            _ = node.read(in: block)
        }
        let complete = node.recorder.blocks().filter { $0.isComplete && $0.number > 12 }
        #expect(
            summary(complete) == [
                "\(first + 1) \(node.clock.color(ofBlock: first + 1)) 1",
                "\(first + 2) \(node.clock.color(ofBlock: first + 2)) 1",
            ])
    }

    enum Counter: CaseIterable { case aPackets, aOctets, bPackets, bOctets, uncoloredPackets, uncoloredOctets }

    @Test(arguments: Counter.allCases)
    func aCounterThatFallsIsARestart(counter: Counter) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        let full = PacketCount(packets: 1000, octets: 100_000)
        node.counters[flow] = CounterSnapshot(a: full, b: full, uncolored: full)
        for block in Int64(10)...13 { _ = node.read(in: block) }
        var fallen = CounterSnapshot(a: full, b: full, uncolored: full)
        switch counter {
        case .aPackets: fallen.a.packets = 999
        case .aOctets: fallen.a.octets = 99_999
        case .bPackets: fallen.b.packets = 999
        case .bOctets: fallen.b.octets = 99_999
        case .uncoloredPackets: fallen.uncolored.packets = 999
        case .uncoloredOctets: fallen.uncolored.octets = 99_999
        }
        node.counters[flow] = fallen
        let during = node.read(in: 14)
        #expect(during.map(\.isComplete) == [false])
        // The other color has no baseline behind the restart.
        #expect(node.read(in: 15).isEmpty)
        #expect(summary(node.read(in: 16)) == ["15 b 0"])
        #expect(summary(node.read(in: 17)) == ["16 a 0"])
    }

    @Test func aRestartShowsWhatWasCountedSince() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 {
            node.count(100, of: flow, in: block)
            _ = node.read(in: block)
        }
        node.counters[flow] = CounterSnapshot()
        node.count(9, of: flow, in: 13)
        node.count(4, of: flow, in: 14)
        #expect(summary(node.read(in: 14)) == ["13 b 9 incomplete"])
    }

    @Test func aForgottenFlowBeginsAnew() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(10)...13 {
            node.count(2, of: flow, in: block)
            _ = node.read(in: block)
        }
        // Removed and added again, and more packets since than before: no counter falls.
        node.recorder.forget(flow)
        #expect(node.recorder.blocks().isEmpty)
        node.counters[flow] = CounterSnapshot()
        node.count(50, of: flow, in: 13)
        node.count(50, of: flow, in: 14)
        #expect(node.read(in: 14).isEmpty)
        #expect(node.read(in: 15).isEmpty)
        #expect(summary(node.read(in: 16)) == ["15 b 0"])
    }

    @Test func flowsThatAreGoneAreForgotten() throws {
        let (one, two) = (try flow("fcff:3::100"), try flow("fcff:4::100"))
        var node = Node([one, two])
        for block in Int64(10)...13 { _ = node.read(in: block) }
        #expect(node.recorder.blocks().count == 4)
        node.flows = [two]
        _ = node.read(in: 14)
        #expect(node.recorder.blocks(of: one).isEmpty)
        #expect(summary(node.recorder.blocks()) == ["11 b 0", "12 a 0", "13 b 0"])
    }

    @Test func blocksComeInTheOrderOfTheReadings() throws {
        let flows = try (1...20).map { try flow("fcff:3::\($0)") }
        var node = Node(flows)
        for block in Int64(10)...12 { _ = node.read(in: block) }
        let closed = node.read(in: 13)
        #expect(closed.map(\.flow) == flows)
        #expect(node.recorder.blocks().map(\.flow) == flows.flatMap { [$0, $0] })
    }

    @Test(arguments: [1, 2, 3, 7])
    func theLastBlocksAreKept(kept: Int) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow], kept: kept)
        for block in Int64(0)...20 { _ = node.read(in: block) }
        #expect(node.recorder.blocks(of: flow).map(\.number) == Array((20 - Int64(kept))...19))
    }

    @Test(arguments: [(0, true), (250, true), (251, false), (900, false)])
    func aLateSwitchSpoilsTheBlocksAroundIt(late: Int64, inOrder: Bool) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        var complete: [Int64] = []
        for block in Int64(10)...18 {
            #expect(node.enter(block, late: block == 14 ? late : 0) == (inOrder || block != 14))
            complete += node.read(in: block).filter(\.isComplete).map(\.number)
        }
        #expect(complete == (inOrder ? [11, 12, 13, 14, 15, 16, 17] : [11, 12, 16, 17]))
    }

    @Test(arguments: [(0, 11), (250, 11), (251, 12)])
    func aLateStartCostsABlock(late: Int64, first: Int64) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        var complete: [Int64] = []
        for block in Int64(10)...15 {
            let inOrder = node.enter(block, late: block == 10 ? late : 0)
            #expect(inOrder)
            complete += node.read(in: block).filter(\.isComplete).map(\.number)
        }
        #expect(complete == Array(first...14))
    }

    @Test func aSkippedSwitchSpoilsTheBlocksAroundIt() throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        var complete: [Int64] = []
        for block in Int64(10)...18 {
            if block != 14 { #expect(node.enter(block) == (block != 15)) }
            complete += node.read(in: block).filter(\.isComplete).map(\.number)
        }
        // 13 was closed before anybody could know; its color went on in 14, and whoever read it in time knows no more.
        #expect(complete == [11, 12, 13, 17])
    }

    @Test(arguments: [-100, -3, -2, -1, 1, 2, 3, 4, 100])
    func aJumpOfTheBlockNumberIsRecoveredFrom(jump: Int64) throws {
        let flow = try flow("fcff:3::100", .ingress)
        var node = Node([flow])
        for block in Int64(200)...207 {
            node.count(10, of: flow, in: block)
            _ = node.read(in: block)
        }
        let first = 208 + jump
        var after: [Block] = []
        for block in first...first + 4 {
            node.count(1, of: flow, in: block)
            after += node.read(in: block)
        }
        let complete = after.filter(\.isComplete)
        // A clock put back by one shows the block again that was read last.
        let expected = jump == -1 ? [first, first + 1, first + 2, first + 3] : [first + 1, first + 2, first + 3]
        #expect(complete.map(\.number) == expected)
        if jump != -1 { #expect(complete.allSatisfy { $0.count.packets == 1 }) }
        // No number twice among those kept, and all in order.
        let kept = node.recorder.blocks().map(\.number)
        #expect(kept == Set(kept).sorted())
    }

    @Test(arguments: [-100, -2, -1, 0, 1, 2, 100])
    func aClockThatIsSetCostsTwoBlocks(jump: Int64) throws {
        let flow = try flow("fcff:3::100")
        var node = Node([flow])
        for block in Int64(200)...207 {
            node.enter(block)
            _ = node.read(in: block)
        }
        let first = 208 + jump
        node.recorder.clockStepped(to: first)
        var complete: [Int64] = []
        for block in first...first + 5 {
            node.enter(block)
            complete += node.read(in: block).filter(\.isComplete).map(\.number)
        }
        #expect(complete == [first + 2, first + 3, first + 4])
        let kept = node.recorder.blocks().map(\.number)
        #expect(kept == Set(kept).sorted())
    }
}

@Suite struct LossTests {
    private func block(
        _ number: Int64, _ packets: UInt64, _ octets: UInt64, color: MarkColor = .a, complete: Bool = true
    ) throws -> Block {
        Block(
            flow: try flow("fcff:3::100"), number: number, color: color,
            count: PacketCount(packets: packets, octets: octets), start: WallTime(nanoseconds: 0),
            end: WallTime(nanoseconds: 1), isComplete: complete)
    }

    @Test func lossIsSentLessReceived() throws {
        let loss = try #require(Loss(sender: block(8, 1000, 90_000), receiver: block(8, 990, 89_100)))
        #expect(loss.block == 8 && loss.packets == 10 && loss.octets == 900)
        #expect(loss.sent == PacketCount(packets: 1000, octets: 90_000))
        #expect(loss.ratio == 0.01)
    }

    @Test func negativeLossIsReported() throws {
        let loss = try #require(Loss(sender: block(8, 10, 900), receiver: block(8, 12, 1100)))
        #expect(loss.packets == -2 && loss.octets == -200 && loss.ratio == -0.2)
    }

    @Test func nothingSentHasNoRatio() throws {
        let loss = try #require(Loss(sender: block(8, 0, 0), receiver: block(8, 0, 0)))
        #expect(loss.packets == 0 && loss.ratio == nil)
    }

    @Test func largeCountsAreExact() throws {
        let most = UInt64.max
        let loss = try #require(Loss(sender: block(8, most, most), receiver: block(8, most - 3, most - 400)))
        #expect(loss.packets == 3 && loss.octets == 400)
    }

    @Test func blocksThatDoNotMatchHaveNoLoss() throws {
        let sender = try block(8, 10, 900)
        #expect(try Loss(sender: sender, receiver: block(10, 10, 900)) == nil)
        #expect(try Loss(sender: sender, receiver: block(8, 10, 900, color: .b)) == nil)
        #expect(try Loss(sender: sender, receiver: block(8, 10, 900, complete: false)) == nil)
        #expect(try Loss(sender: block(8, 10, 900, complete: false), receiver: sender) == nil)
    }
}
