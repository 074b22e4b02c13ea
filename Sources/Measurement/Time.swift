// SPDX-License-Identifier: Apache-2.0
/// A span of time.
public struct Nanoseconds: Hashable, Comparable, Sendable {
    public var count: Int64

    public init(_ count: Int64) { self.count = count }

    public static func seconds(_ count: Int64) -> Self { Self(count * 1_000_000_000) }
    public static func milliseconds(_ count: Int64) -> Self { Self(count * 1_000_000) }

    public static func < (left: Self, right: Self) -> Bool { left.count < right.count }
    public static func + (left: Self, right: Self) -> Self { Self(left.count + right.count) }
    public static func - (left: Self, right: Self) -> Self { Self(left.count - right.count) }
    public static func * (left: Self, right: Int64) -> Self { Self(left.count * right) }
    public static func / (left: Self, right: Int64) -> Self { Self(left.count / right) }

    /// The distance from zero.
    public var magnitude: Nanoseconds { Self(abs(count)) }
}

extension Nanoseconds: LosslessStringConvertible, CustomStringConvertible {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]

    /// A whole number and a unit: `10s`, `500ms`, `20us`, `1ns`.
    public init?(_ text: String) {
        let digits = text.prefix(while: { $0.isASCII && $0.isNumber })
        guard let number = Int64(digits),
            let unit = Self.units.first(where: { $0.suffix == text[digits.endIndex...] })
        else { return nil }
        let (count, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
        guard !overflow else { return nil }
        self.init(count)
    }

    /// The same form, in the largest unit that is exact.
    public var description: String {
        let unit = Self.units.last { count % $0.nanoseconds == 0 && (count != 0 || $0.suffix == "s") } ?? Self.units[0]
        return "\(count / unit.nanoseconds)\(unit.suffix)"
    }
}

/// A moment by the wall clock: nanoseconds since the Unix epoch.
public struct WallTime: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
    public static func + (left: Self, right: Nanoseconds) -> Self { Self(nanoseconds: left.nanoseconds + right.count) }
    public static func - (left: Self, right: Self) -> Nanoseconds { Nanoseconds(left.nanoseconds - right.nanoseconds) }
}

extension WallTime: CustomStringConvertible {
    /// RFC 3339, UTC, with no, three, six or nine digits behind the second, as many as it takes.
    public var description: String {
        let (seconds, fraction) = nanoseconds.flooredQuotient(by: 1_000_000_000)
        let (day, second) = seconds.flooredQuotient(by: 86400)
        let date = Self.date(ofDay: day)
        var text = "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))"
        text += "T\(digits(second / 3600, 2)):\(digits(second / 60 % 60, 2)):\(digits(second % 60, 2))"
        if fraction % 1_000_000 == 0 {
            text += fraction == 0 ? "" : ".\(digits(fraction / 1_000_000, 3))"
        } else if fraction % 1_000 == 0 {
            text += ".\(digits(fraction / 1_000, 6))"
        } else {
            text += ".\(digits(fraction, 9))"
        }
        return text + "Z"
    }

    private func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// The Gregorian date of a day counted from 1970-01-01.
    private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // Years begin in March here, so that the leap day is the last; 0000-03-01 lies 719 468 days before the epoch,
        // and the calendar repeats after 400 years of 146 097 days in all.
        let (era, ofEra) = (day + 719_468).flooredQuotient(by: 146_097)
        let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Five months from March on have 153 days, again and again.
        let fromMarch = (5 * ofYear + 2) / 153
        let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
        return (era * 400 + yearOfEra + (month < 3 ? 1 : 0), month, ofYear - (153 * fromMarch + 2) / 5 + 1)
    }
}

extension Int64 {
    /// Division that rounds down, so that the remainder is not negative.
    ///
    /// *Requires*: a positive divisor.
    func flooredQuotient(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
