// SPDX-License-Identifier: Apache-2.0
import Measurement
import SRv6

/// The version that programs of this project report.
public let projectVersion = "0.1.0"

/// What runs, since when and how it marks.
public struct RouterStatus: Hashable, Sendable {
    public var version: String
    public var startedAt: WallTime
    public var marking: MarkingScheme
    /// Nil when the color is switched by hand.
    public var colorClock: ColorClock?
    public var activeColor: MarkColor
    public var capabilities: CountingCapabilities

    public init(
        version: String, startedAt: WallTime, marking: MarkingScheme, colorClock: ColorClock?,
        activeColor: MarkColor, capabilities: CountingCapabilities
    ) {
        self.version = version
        self.startedAt = startedAt
        self.marking = marking
        self.colorClock = colorClock
        self.activeColor = activeColor
        self.capabilities = capabilities
    }
}

/// Names of interfaces by their index.
public typealias InterfaceNames = [Int: String]
