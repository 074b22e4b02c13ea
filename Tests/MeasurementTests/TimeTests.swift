// SPDX-License-Identifier: Apache-2.0
import Measurement
import Testing

@Suite struct TimeTests {
    @Test(arguments: [
        ("10s", 10_000_000_000), ("500ms", 500_000_000), ("1500ms", 1_500_000_000), ("20us", 20_000), ("7ns", 7),
        ("0s", 0),
    ])
    func spansParse(text: String, nanoseconds: Int64) {
        #expect(Nanoseconds(text) == Nanoseconds(nanoseconds))
    }

    @Test(arguments: ["", "s", "10", "10 s", "-1s", "1.5s", "10m", "1s ", "99999999999s", "0x1s", "1S"])
    func nonsenseIsNoSpan(text: String) {
        #expect(Nanoseconds(text) == nil)
    }

    @Test(arguments: ["10s", "500ms", "1500ms", "20us", "7ns", "0s"])
    func spansPrintInTheLargestExactUnit(text: String) throws {
        #expect(try #require(Nanoseconds(text)).description == text)
    }

    /// Dates around leap days, centuries and the epoch; as `date -u -d @SECONDS` prints them.
    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"), (951_868_800, "2000-03-01T00:00:00Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"), (1_735_689_599, "2024-12-31T23:59:59Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
        (-2_203_977_600, "1900-02-28T00:00:00Z"), (-2_203_891_200, "1900-03-01T00:00:00Z"),
    ])
    func secondsPrintAsDates(seconds: Int64, text: String) {
        #expect(WallTime(nanoseconds: seconds * 1_000_000_000).description == text)
    }

    @Test(arguments: [
        (1, "1970-01-01T00:00:00.000000001Z"), (2_000, "1970-01-01T00:00:00.000002Z"),
        (500_000_000, "1970-01-01T00:00:00.500Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
    ])
    func fractionsPrintAsFarAsTheyReach(nanoseconds: Int64, text: String) {
        #expect(WallTime(nanoseconds: nanoseconds).description == text)
    }
}

@Suite struct ColorClockTests {
    let clock = ColorClock(period: .seconds(10))

    private func at(_ milliseconds: Int64) -> WallTime { WallTime(nanoseconds: milliseconds * 1_000_000) }

    @Test(arguments: [
        (0, 0), (9_999, 0), (10_000, 1), (19_999, 1), (20_000, 2), (-1, -1), (-10_000, -1), (-10_001, -2),
    ])
    func blockIsTheFloor(milliseconds: Int64, block: Int64) {
        #expect(clock.block(at: at(milliseconds)) == block)
    }

    @Test func evenBlocksAreA() {
        #expect((-3...3).map { clock.color(ofBlock: $0) } == [.b, .a, .b, .a, .b, .a, .b])
        #expect(clock.color(at: at(9_999)) == .a)
        #expect(clock.color(at: at(10_000)) == .b)
    }

    @Test func boundariesBelongToTheBlockThatBegins() {
        #expect(clock.start(ofBlock: 7) == at(70_000))
        #expect(clock.end(ofBlock: 7) == at(80_000))
        #expect(clock.nextSwitch(after: at(69_999)) == at(70_000))
        #expect(clock.nextSwitch(after: at(70_000)) == at(80_000))
        #expect(clock.nextSwitch(after: at(-1)) == at(0))
    }

    @Test func aColorIsReadHalfAPeriodAfterItsEnd() {
        #expect(clock.readingTime(ofBlock: 7) == at(85_000))
        #expect(clock.readableBlock(at: clock.readingTime(ofBlock: 7)) == 7)
    }

    @Test(arguments: [(82_499, nil), (82_500, 7), (87_500, 7), (87_501, nil), (80_000, nil), (92_500, 8)])
    func aColorIsReadInTheMiddleHalfOnly(milliseconds: Int64, block: Int64?) {
        #expect(clock.readableBlock(at: at(milliseconds)) == block)
    }

    @Test func oddPeriodsCoverTimeWithoutGaps() {
        let clock = ColorClock(period: Nanoseconds(7))
        for nanoseconds in Int64(-50)...50 {
            let time = WallTime(nanoseconds: nanoseconds)
            let block = clock.block(at: time)
            #expect(clock.start(ofBlock: block) <= time && time < clock.end(ofBlock: block))
        }
    }
}
