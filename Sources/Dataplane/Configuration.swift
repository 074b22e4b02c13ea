// SPDX-License-Identifier: Apache-2.0
import SRv6

/// What the engine is built from. Everything else it learns from the kernel.
public struct DataplaneConfiguration: Hashable, Sendable {
    /// How a worker waits for packets.
    public enum Polling: String, Hashable, Sendable, CaseIterable {
        /// Sleeps in `poll` until a port has packets.
        case interrupt
        /// Spins, and lets the kernel's busy polling run the driver on the worker's core.
        case busyPoll = "busy-poll"
    }

    /// Whether to ask the drivers for zero-copy. A worker's ports share their frames, so one port that copies makes
    /// all of them copy.
    public enum ZeroCopy: String, Hashable, Sendable, CaseIterable {
        /// Try, fall back to copying.
        case auto
        case off
    }

    public struct Port: Hashable, Sendable {
        /// Name of the interface.
        public var name: String
        public var polling: Polling
        public var zeroCopy: ZeroCopy

        public init(name: String, polling: Polling = .interrupt, zeroCopy: ZeroCopy = .auto) {
            self.name = name
            self.polling = polling
            self.zeroCopy = zeroCopy
        }
    }

    public var ports: [Port] = []
    /// Threads, 1 to 64. Worker *k* owns queue *k* of every port, so no port may have more receive queues.
    public var workerCount = 1
    /// Cores that the workers are pinned to, in order; empty for the cores that the process may use.
    public var cores: [Int] = []
    /// Descriptors of each ring, a power of two from 64 to 16384.
    public var ringSize = 2048
    /// Packets that go through the stages together, 1 to 256.
    public var burstSize = 64
    /// Use hugepages for frames when the system has them to give.
    public var hugepages = true
    public var marking = MarkingScheme.dscp
    /// Flows that can be counted per direction.
    public var maximumFlows = 65536
    /// Name of the TUN device through which packets go to the kernel.
    public var puntDevice = "srv6pm0"
    /// Packets per second that each worker may punt.
    public var puntRate = 100_000
    /// Directory of the compiled BPF objects; nil searches beside the executable and in `../lib/srv6pm/bpf`.
    public var bpfDirectory: String?

    public init() {}

    /// *Throws*: the first value that the engine cannot work with.
    func validate() throws(ConfigurationError) {
        func require(_ holds: Bool, _ field: String, _ found: Int, _ expected: String) throws(ConfigurationError) {
            if !holds { throw ConfigurationError(field: field, found: "\(found)", expected: expected) }
        }
        try require((1...64).contains(workerCount), "dataplane.workers", workerCount, "1 to 64")
        try require(
            (64...16384).contains(ringSize) && ringSize & (ringSize - 1) == 0, "dataplane.ring_size", ringSize,
            "a power of two from 64 to 16384")
        try require((1...256).contains(burstSize), "dataplane.burst", burstSize, "1 to 256")
        try require(
            (1...4_194_304).contains(maximumFlows), "dataplane.maximum_flows", maximumFlows, "1 to 4194304")
        try require((1...100_000_000).contains(puntRate), "dataplane.punt_rate", puntRate, "1 to 100000000")
        try require(
            ports.count < Counters.maximumPorts, "ports", ports.count, "at most \(Counters.maximumPorts - 1) ports")
    }
}
