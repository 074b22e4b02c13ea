// SPDX-License-Identifier: Apache-2.0
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import Measurement
import SRv6

/// Serves a meter on a Unix socket that its owner alone can open.
package struct ControlServer: Sendable {
    private let path: String
    private let server: GRPCServer<HTTP2ServerTransport.Posix>

    package init(path: String, meter: Meter, marking: MarkingScheme, startedAt: WallTime) {
        self.path = path
        server = GRPCServer(
            transport: .http2NIOPosix(address: .unixDomainSocket(path: path), transportSecurity: .plaintext),
            services: [RouterService(meter: meter, marking: marking, startedAt: startedAt)])
    }

    /// Serves until ``stop()`` or until the task is cancelled; calls `whenReady` once the socket answers.
    package func run(whenReady: @escaping @Sendable () -> Void) async throws {
        try UnixSocket.prepare(path)
        defer { unsafe _ = unlink(path) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.serve() }
            do {
                _ = try await server.listeningAddress
            } catch {
                // What `serve` throws says why.
                try await group.next()
                throw error
            }
            // Nobody but the owner could connect before either, unless the process has an umask that lets others write.
            guard unsafe chmod(path, 0o600) == 0 else {
                throw SystemError("restrict \(path) to its owner", code: errno)
            }
            whenReady()
            try await group.next()
        }
    }

    /// Lets calls end and then ends.
    package func stop() { server.beginGracefulShutdown() }
}
