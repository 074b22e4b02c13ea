// SPDX-License-Identifier: Apache-2.0
import API
import ArgumentParser
import SRv6

extension EncapsulationMode: ExpressibleByArgument {}
extension FlowDirection: ExpressibleByArgument {}

extension SegmentList: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

/// A flow as arguments.
struct FlowArguments: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("SIDs in travel order, separated by commas.", valueName: "sid,sid"))
    var segments: SegmentList

    @Option(name: .long, help: "How the headend puts them onto packets.")
    var mode = EncapsulationMode.encap

    @Option(name: .long, help: "Whether the flow leaves or arrives here.")
    var direction: FlowDirection

    var flow: Flow { Flow(policy: Policy(segments: segments, mode: mode), direction: direction) }
}

struct FlowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flow", abstract: "Begin or end the monitoring of a flow.", subcommands: [Add.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Count a flow, from zero.")

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var arguments: FlowArguments

        func run() async throws {
            let flow = arguments.flow
            try await connection.withRouter { try await $0.addFlow(flow) }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Count a flow no longer; its counters are gone.")

        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var arguments: FlowArguments

        func run() async throws {
            let flow = arguments.flow
            try await connection.withRouter { try await $0.removeFlow(flow) }
        }
    }
}

struct ColorCommand: AsyncParsableCommand {
    enum Color: String, CaseIterable, ExpressibleByArgument {
        case a, b
    }

    static let configuration = CommandConfiguration(
        commandName: "color", abstract: "Show or switch the color of monitored packets.",
        discussion: "Switching is refused while a color clock does it.")

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The color to switch to; without it the active one is shown.")
    var color: Color?

    func run() async throws {
        let color: MarkColor? = color.map { $0 == .a ? .a : .b }
        try await connection.withRouter { router in
            if let color {
                try await router.setColor(color)
            } else {
                printLine("\(try await router.color())")
            }
        }
    }
}

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print color blocks as they close, one line each, until interrupted.")

    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .long, help: "Print an object of JSON per line.")
    var json = false

    @Flag(name: .long, help: "Begin with the blocks that are kept.")
    var kept = false

    func run() async throws {
        let json = json
        try await connection.withRouter { [kept] router in
            try await router.watchBlocks(includeKept: kept) { block in
                printLine(json ? try JSON(block).rendered(pretty: false) : block.line)
            }
        }
    }
}
