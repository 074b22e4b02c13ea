// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import SRv6

/// How a flow's traffic is driven.
public struct Load: Hashable, Sendable {
    public var bitsPerSecond: Int
    /// Octets of a UDP payload or of a TCP write.
    public var length: Int
    /// Packets that leave at once before the pace is kept again.
    public var burst: Int

    public init(bitsPerSecond: Int, length: Int, burst: Int = 1) {
        self.bitsPerSecond = bitsPerSecond
        self.length = length
        self.burst = burst
    }
}

/// How long traffic lasts.
public enum Extent: Hashable, Sendable {
    case seconds(Int)
    /// Datagrams, or writes of a TCP stream: so many however long the machine lets them wait.
    case packets(Int)

    fileprivate var arguments: [String] {
        switch self {
        case .seconds(let count): ["--time", "\(count)"]
        case .packets(let count): ["--blockcount", "\(count)"]
        }
    }
}

/// iperf3 from one end of a chain to the other.
public struct Stream: Sendable {
    /// What iperf3 itself has counted.
    public struct Report: Hashable, Sendable {
        public var octets: Int
        /// UDP datagrams sent, and those that the receiver missed; zero for TCP.
        public var datagrams: Int
        public var lost: Int
    }

    public let pair: Chain.Pair
    private let server: Child
    private let client: Child

    /// Starts all servers, waits until they listen, and starts clients.
    public static func start(
        _ loads: [(pair: Chain.Pair, load: Load)], _ extent: Extent, on chain: Chain, in laboratory: Laboratory
    ) throws(LabError) -> [Stream] {
        var servers: [Child] = []
        for (pair, _) in loads {
            servers.append(
                try laboratory.start(
                    ["iperf3", "--server", "--one-off", "--bind", "\(pair.destination)", "--port", "\(pair.port)"],
                    as: "iperf3-\(pair.name)-server", in: chain.hosts(of: pair).receiver))
        }
        var streams: [Stream] = []
        for (server, (pair, _)) in zip(servers, loads) {
            try wait(for: "iperf3 to listen on port \(pair.port) of \(pair.to)") { () throws(LabError) in
                if let status = server.status { throw .command(server.name, status: status, output: server.output) }
                return isListening(server, port: pair.port)
            }
        }
        for (server, (pair, load)) in zip(servers, loads) {
            streams.append(try Stream(pair, load, server: server, extent, on: chain, in: laboratory))
        }
        return streams
    }

    private init(
        _ pair: Chain.Pair, _ load: Load, server: Child, _ extent: Extent, on chain: Chain, in laboratory: Laboratory
    ) throws(LabError) {
        let rate = load.burst > 1 ? "\(load.bitsPerSecond)/\(load.burst)" : "\(load.bitsPerSecond)"
        client = try laboratory.start(
            [
                "iperf3", "--client", "\(pair.destination)", "--bind", "\(pair.source)", "--port", "\(pair.port)",
                "--json",
                "--bitrate", rate, "--length", "\(load.length)",
            ] + extent.arguments + (pair.isTCP ? [] : ["--udp"]), as: "iperf3-\(pair.name)-client",
            in: chain.hosts(of: pair).sender)
        self.server = server
        self.pair = pair
    }

    /// Whether the client is still sending. *Throws*: when it gave up.
    public var isRunning: Bool {
        get throws(LabError) {
            guard let status = client.status else { return true }
            if status != 0 { throw .command("iperf3 \(pair.label)", status: status, output: client.output) }
            return false
        }
    }

    /// Waits for the end. *Returns*: what iperf3 reports, nil when it did not get its report through the losses.
    public func finish(upTo limit: Duration) throws(LabError) -> Report? {
        try client.waitForEnd(upTo: limit)
        server.terminate()
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(client.output.utf8)) else {
            return nil
        }
        if let sum = document.end?.sum {
            return Report(octets: sum.bytes, datagrams: sum.packets ?? 0, lost: sum.lost_packets ?? 0)
        }
        return (document.end?.sum_received).map { Report(octets: $0.bytes, datagrams: 0, lost: 0) }
    }

    private struct Document: Decodable {
        struct End: Decodable {
            var sum: Sum?
            var sum_received: Sum?
        }
        struct Sum: Decodable {
            var bytes: Int
            var packets: Int?
            var lost_packets: Int?
        }
        var end: End?
    }
}

extension Chain.Pair {
    /// The port of its server.
    fileprivate var port: Int { 5200 + number }
    /// For the names of logs.
    fileprivate var name: String { "\(from)-\(to)-\(number)" }
}

/// Whether there is a listening TCP socket on a port in the namespace of a process.
func isListening(_ process: Child, port: Int) -> Bool {
    let hexadecimal = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
    return ["tcp", "tcp6"].contains { table in
        (contents(of: "/proc/\(process.pid)/net/\(table)") ?? "").split(separator: "\n").contains { line in
            let fields = line.split(separator: " ")
            // Local address and port, remote address and port, state: 0A is LISTEN.
            return fields.count > 3 && fields[1].hasSuffix(suffix) && fields[3] == "0A"
        }
    }
}
