// SPDX-License-Identifier: Apache-2.0
import CMNL
import Foundation
import Glibc
import Testing

/// A network namespace of a test's own. It has a loopback interface that is down, and goes away with the value.
final class Namespace: Sendable {
    private let descriptor: Int32

    /// Why the live tests cannot run here; nil when they can.
    static let obstacle: String? = geteuid() == 0 ? nil : "making network namespaces takes root"

    init() async throws {
        descriptor = try await onThread {
            guard cmnl_unshare_network() == 0 else { throw CommandError(command: "unshare", status: errno, output: "") }
            // The thread's own entry: the process itself stays where it is.
            return unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        }
        // No waiting for duplicate address detection.
        try await run(
            "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0", "ip link set lo up")
    }

    deinit { close(descriptor) }

    /// Runs `body` on a thread inside the namespace.
    func inside<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        let descriptor = self.descriptor
        return try await onThread {
            guard cmnl_enter_network(descriptor) == 0 else {
                throw CommandError(command: "setns", status: errno, output: "")
            }
            return try body()
        }
    }

    /// Runs shell commands inside the namespace, one after the other.
    ///
    /// *Throws*: when one fails.
    @discardableResult
    func run(_ commands: String...) async throws -> String {
        try await inside { try shell(commands.joined(separator: " && ")) }
    }

    /// Two links of a pair, up, with addresses.
    func makePair() async throws {
        try await run(
            "ip link add va type veth peer name vb", "ip link set va up", "ip link set vb up",
            "ip addr add 10.0.0.1/24 dev va", "ip addr add fd00::1/64 dev va", "ip addr add fd01::1/64 dev vb")
    }
}

struct CommandError: Error, CustomStringConvertible {
    let command: String
    let status: Int32
    let output: String
    var description: String { "\(command): status \(status): \(output)" }
}

/// Runs `body` on a POSIX thread of its own: what it does to its namespace ends with it.
private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}

/// Runs a shell with `command`. A child is in the namespace of the thread that makes it.
///
/// *Returns*: what it printed, complaints included.
private func shell(_ command: String) throws -> String {
    guard let stream = unsafe popen("{ \(command)\n} 2>&1 </dev/null", "re") else {
        throw CommandError(command: command, status: errno, output: "")
    }
    var octets: [UInt8] = []
    while case let octet = unsafe fgetc(stream), octet != EOF { octets.append(UInt8(truncatingIfNeeded: octet)) }
    let status = unsafe pclose(stream)
    let output = String(decoding: octets, as: UTF8.self)
    guard status == 0 else { throw CommandError(command: command, status: status, output: output) }
    return output
}
