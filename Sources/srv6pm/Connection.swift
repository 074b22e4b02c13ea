// SPDX-License-Identifier: Apache-2.0
import API
import Agent
import ArgumentParser
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import SRv6

/// Where the daemon is, for every subcommand that asks it.
struct ConnectionOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Socket of the daemon.", valueName: "path"))
    var socket: String?

    /// `EX_UNAVAILABLE` of sysexits(3).
    static let unreachable: Int32 = 69

    var path: String {
        socket ?? ProcessInfo.processInfo.environment["SRV6PM_SOCKET"] ?? AgentConfiguration.defaultSocket
    }

    /// Speaks to the daemon; ends with a line on standard error and an exit code when that fails.
    func withRouter(_ body: @Sendable @escaping (RouterClient<HTTP2ClientTransport.Posix>) async throws -> Void)
        async throws
    {
        try probe()
        do {
            try await withGRPCClient(
                transport: .http2NIOPosix(target: .unixDomainSocket(path: path), transportSecurity: .plaintext)
            ) { client in
                try await body(RouterClient(client))
            }
        } catch let error as RPCError where error.code == .unavailable || error.code == .deadlineExceeded {
            try fail("the daemon at \(path) does not answer: \(error.message)", code: Self.unreachable)
        } catch let error as RPCError {
            try fail(error.message, code: 1)
        } catch let error as ConfigurationError {
            try fail("the daemon at \(path) answers what srv6pm does not understand: \(error)", code: 1)
        }
    }

    /// Finds out at once, and in plain words, what would else become a timeout.
    private func probe() throws {
        let problem: String
        switch UnixSocket.occupant(of: path) {
        case .listener: return
        case .nothing: problem = "\(path) does not exist: is srv6pmd running, and is this its socket?"
        case .stale: problem = "nobody listens on \(path): srv6pmd is not running any more"
        case .otherFile: problem = "\(path) is not a socket"
        case .unreachable(let code):
            problem =
                SystemError("connect to \(path)", code: code).description
                + (code == EACCES ? ", only the user that runs srv6pmd may" : "")
        }
        try fail(problem, code: Self.unreachable)
    }
}

/// Prints why a command failed, and ends it.
func fail(_ message: String, code: Int32) throws -> Never {
    put("srv6pm: \(message)", on: STDERR_FILENO)
    throw ExitCode(code)
}

/// Writes a line at once, whatever standard output is. Ends the program when nobody reads it any more.
func printLine(_ line: String) {
    if let code = put(line, on: STDOUT_FILENO) {
        // A reader that has seen enough, `head` for example, is no failure.
        if code != EPIPE { put("srv6pm: \(SystemError("write the output", code: code))", on: STDERR_FILENO) }
        exit(code == EPIPE ? 0 : 1)
    }
}

/// *Returns*: the error number when the line could not be written.
@discardableResult
private func put(_ line: String, on descriptor: Int32) -> Int32? {
    let octets = Array((line + "\n").utf8)
    var written = 0
    while written < octets.count {
        let count = unsafe octets[written...].withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return errno }
        written += count
    }
    return nil
}
