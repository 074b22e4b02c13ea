// SPDX-License-Identifier: Apache-2.0
import API
import ArgumentParser

struct Show: AsyncParsableCommand {
    enum Subject: String, CaseIterable, ExpressibleByArgument {
        case ports, routes, sids, policies, flows, drops, workers, blocks, status
    }

    static let configuration = CommandConfiguration(
        abstract: "Show what the router has and does.",
        discussion: """
            ports     interfaces with their counters
            routes    the kernel's routes and what the engine does with each
            sids      local SIDs with their counters
            policies  SR policies and the prefixes that lead into them
            flows     monitored flows with the counters of both colors
            drops     packets dropped, by reason
            workers   threads of the engine
            blocks    closed color blocks that are kept
            status    version, backend, marking and color

            With --json the output is always a list of objects.
            """)

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "What to show.")
    var subject: Subject

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() async throws {
        let (subject, json) = (subject, json)
        try await connection.withRouter { router in
            let listing: Listing
            switch subject {
            case .ports: listing = Listing(try await router.ports())
            case .routes:
                let (routes, interfaces) = try await router.routes()
                listing = Listing(routes, interfaces: interfaces)
            case .sids:
                let (sids, interfaces) = try await router.localSIDs()
                listing = Listing(sids, interfaces: interfaces)
            case .policies: listing = Listing(try await router.policies())
            case .flows: listing = Listing(try await router.flows())
            case .drops: listing = Listing(try await router.drops())
            case .workers: listing = Listing(try await router.workers())
            case .blocks: listing = Listing(try await router.blocks())
            case .status: listing = Listing(try await router.status())
            }
            printLine(try listing.rendered(asJSON: json))
        }
    }
}
