// SPDX-License-Identifier: Apache-2.0
import API
import ArgumentParser
import Foundation

@main
struct SRv6PM: AsyncParsableCommand {
    static func main() async {
        // A closed pipe is an error of the write that meets it, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        await main(nil)
    }

    static let configuration = CommandConfiguration(
        commandName: "srv6pm",
        abstract: "Looks into an SRv6 router and steers its measurements.",
        discussion: """
            Speaks to srv6pmd on its Unix socket: --socket, else the environment variable SRV6PM_SOCKET, else \
            /run/srv6pm/srv6pmd.sock.

            Exit codes: 0 success; 1 failure, the reason is on standard error; 64 wrong arguments; \
            69 the daemon does not answer.
            """,
        version: projectVersion,
        subcommands: [
            // What the daemon is asked for.
            Show.self, FlowCommand.self, ColorCommand.self, Watch.self,
            // What needs no daemon: one file each.
            Replay.self, BenchCommand.self,
        ])
}
