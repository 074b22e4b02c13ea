// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A system call that failed.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was attempted, for example `bind an AF_XDP socket to r1-r2 queue 0`.
    public let operation: String
    /// The error number.
    public let code: Int32

    public init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    public var description: String {
        let hint = code == EPERM ? " (it needs root, or the capabilities of the systemd unit)" : ""
        return unsafe "cannot \(operation): \(String(cString: strerror(code)))\(hint)"
    }
}

/// A value that an operator gave and that cannot be used.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Path of the field, for example `ports[1].name`.
    public let field: String
    /// What stood there.
    public let found: String
    /// What may stand there.
    public let expected: String

    public init(field: String, found: String, expected: String) {
        self.field = field
        self.found = found
        self.expected = expected
    }

    public var description: String { "\(field): found \(found), expected \(expected)" }
}
