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

    /// Whether to ask the driver for zero-copy.
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
}
