// SPDX-License-Identifier: Apache-2.0
import CBPFABI
import CXDP
import Glibc
import SRv6
import Synchronization
import Wire

/// Loss at the ingress of devices, per flow, counted exactly: the truth that measurements are compared with.
///
/// It works on ingress because AF_XDP transmission passes by every egress hook of the sending device.
public final class Impairment: Sendable {
    /// What a flow has met, per color.
    public struct Counts: Hashable, Sendable {
        public var seen = CounterSnapshot()
        public var dropped = CounterSnapshot()
    }

    /// How a flow loses packets.
    public struct Loss: Hashable, Sendable {
        /// Of a packet to begin a loss, 0 to 1.
        public var probability: Double
        /// Packets lost in a row.
        public var burst: Int

        public init(probability: Double, burst: Int = 1) {
            self.probability = probability
            self.burst = burst
        }

        public static let none = Loss(probability: 0)
    }

    private struct Loaded: ~Copyable {
        let object: BPFObject
        let flows: Int32
        let config: Int32
    }
    private let loaded: Mutex<Loaded>
    private let marking: MarkingScheme

    /// Loads the program and attaches it to the ingress of `devices`, where it stays until the namespace goes.
    ///
    /// *Requires*: generic receive offload off on the devices.
    public init(on devices: [String], in namespace: Namespace, marking: MarkingScheme = .dscp) throws(LabError) {
        let object = try BPFObject("impair", program: "srv6pm_impair")
        let program = object.program
        for device in devices {
            try namespace.perform { () throws(LabError) in try attach(program, to: device) }
        }
        let flows = try object.map("flows")
        let config = try object.map("config")
        loaded = Mutex(Loaded(object: object, flows: flows, config: config))
        self.marking = marking
        try setLosing(false)
    }

    /// Begins or ends the losses; packets are counted all the time.
    public func setLosing(_ isLosing: Bool) throws(LabError) {
        let config = impair_config(mask: marking.mask, a: marking.a, b: marking.b, losing: isLosing ? 1 : 0)
        try loaded.withLock { loaded throws(LabError) in
            try storeInMap(loaded.config, key: UInt32(0), value: config)
        }
    }

    /// Registers a flow, before its first packet: from here on it is counted.
    public func add(_ key: FlowKey, loss: Loss) throws(LabError) {
        var flow = impair_flow()
        flow.probability = UInt32(min(max(loss.probability, 0) * 4_294_967_296, 4_294_967_295))
        flow.burst = UInt32(loss.burst)
        let octets = key.impairment
        try loaded.withLock { loaded throws(LabError) in
            try storeInMap(loaded.flows, key: octets, value: flow, flags: UInt64(BPF_NOEXIST))
        }
    }

    /// The counters of a registered flow, all of one moment.
    public func counts(of key: FlowKey) throws(LabError) -> Counts {
        let octets = key.impairment
        let flow = try loaded.withLock { loaded throws(LabError) in
            var flow = impair_flow()
            try loadFromMap(loaded.flows, key: octets, into: &flow, flags: UInt64(BPF_F_LOCK))
            return flow
        }
        return Counts(seen: CounterSnapshot(flow.seen), dropped: CounterSnapshot(flow.dropped))
    }
}

/// Attaches a TC program to the ingress of a device of this thread's namespace.
private func attach(_ program: Int32, to device: String) throws(LabError) {
    var hook = bpf_tc_hook()
    // libbpf wants every octet behind the last field that it knows to be zero, and Swift leaves padding as it is.
    hook.sz = end(of: \bpf_tc_hook.parent)
    hook.ifindex = unsafe Int32(bitPattern: if_nametoindex(device))
    hook.attach_point = BPF_TC_INGRESS
    let made = unsafe bpf_tc_hook_create(&hook)
    guard made == 0 || made == -EEXIST else {
        throw .system(SystemError("make the ingress hook of \(device)", code: -made))
    }
    var options = bpf_tc_opts()
    options.sz = end(of: \bpf_tc_opts.priority)
    options.prog_fd = program
    let code = unsafe bpf_tc_attach(&hook, &options)
    guard code == 0 else { throw .system(SystemError("attach the lossy program to \(device)", code: -code)) }
}

/// Octets of a structure up to the end of a field.
private func end<Structure, Field>(of field: KeyPath<Structure, Field>) -> Int {
    guard let offset = MemoryLayout<Structure>.offset(of: field) else { preconditionFailure("not a stored field") }
    return offset + MemoryLayout<Field>.size
}

extension FlowKey {
    /// As the BPF program has it: the last segment first.
    fileprivate var impairment: impair_key {
        var key = impair_key()
        key.count = UInt8(segments.count)
        unsafe withUnsafeMutableBytes(of: &key.segments) { raw in
            for (index, segment) in segments.reversed().enumerated() {
                unsafe raw.storeBytes(of: segment.high.bigEndian, toByteOffset: 16 * index, as: UInt64.self)
                unsafe raw.storeBytes(of: segment.low.bigEndian, toByteOffset: 16 * index + 8, as: UInt64.self)
            }
        }
        return key
    }
}

extension CounterSnapshot {
    fileprivate init(_ counts: impair_counts) {
        self.init(
            a: PacketCount(packets: counts.a.packets, octets: counts.a.octets),
            b: PacketCount(packets: counts.b.packets, octets: counts.b.octets),
            uncolored: PacketCount(packets: counts.uncolored.packets, octets: counts.uncolored.octets))
    }
}
