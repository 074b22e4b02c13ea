// SPDX-License-Identifier: Apache-2.0
import SRv6

/// What can go wrong in the laboratory.
public enum LabError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A command ended with another status than zero, or by a signal (128 and its number).
    case command(String, status: Int32, output: String)
    /// A condition did not come true in time.
    case timeout(String)
    /// A file or program that the laboratory needs is not there.
    case missing(String)
    case system(SystemError)
    /// The laboratory is being taken down.
    case closed

    public var description: String {
        switch self {
        case .command(let command, let status, let output):
            "`\(command)` ended with status \(status)" + (output.isEmpty ? "" : ":\n\(output)")
        case .timeout(let what): "waited in vain for \(what)"
        case .missing(let what): what
        case .system(let error): error.description
        case .closed: "the laboratory is closed"
        }
    }
}
