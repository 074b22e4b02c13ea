// SPDX-License-Identifier: Apache-2.0
/// Octets that are not what they claim to be, found outside the packet path (files, messages).
/// On the packet path the same finding is a counted drop reason, never an error.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Octets from the start of the buffer to the field at fault.
    public let offset: Int
    public let reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "octet \(offset): \(reason)" }
}
