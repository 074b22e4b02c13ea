// SPDX-License-Identifier: Apache-2.0
import CBPFABI
import CXDP
import Glibc
import SRv6
import Synchronization

/// Packets at a high, exact rate, made in the kernel on one core (about 1.9 million a second into a veth).
public final class TrafficGenerator: Sendable {
    /// What was sent.
    public struct Report: Hashable, Sendable {
        public var packets: UInt64
        /// Octets of the frames, Ethernet header included.
        public var octets: UInt64
        /// From the first packet to the last.
        public var nanoseconds: UInt64
    }

    private struct Loaded: ~Copyable {
        let object: BPFObject
        let pace: Int32
    }
    private let loaded: Mutex<Loaded>
    private let namespace: Namespace
    private let frameLength: Int

    /// - Parameters:
    ///   - frame: the packet from its Ethernet header on, 14 to 1536 octets.
    ///   - flowCount: every packet belongs to one of so many flows, drawn at random; 1 to 65536.
    ///   - fields: offsets of the 16-bit fields that the number of the flow is added to; at most 4.
    ///   - checksums: offsets of the Internet checksums that count every one of the fields in; at most 4.
    public init(
        frame: [UInt8], outOf device: String, in namespace: Namespace, flowCount: Int = 1, fields: [Int] = [],
        checksums: [Int] = []
    ) throws(LabError) {
        precondition((14...Int(TRAFFICGEN_OCTETS)).contains(frame.count), "the frame has a wrong size")
        precondition((1...65536).contains(flowCount) && fields.count <= 4 && checksums.count <= 4)
        let object = try BPFObject("trafficgen", program: "srv6pm_trafficgen")
        var template = trafficgen_template()
        template.length = UInt16(frame.count)
        template.field_count = UInt16(fields.count)
        template.checksum_count = UInt16(checksums.count)
        template.ifindex = UInt16(try namespace.index(of: device))
        template.flow_count = UInt32(flowCount)
        unsafe withUnsafeMutableBytes(of: &template.fields) { raw in
            for (index, offset) in fields.enumerated() {
                unsafe raw.storeBytes(of: UInt16(offset), toByteOffset: 2 * index, as: UInt16.self)
            }
        }
        unsafe withUnsafeMutableBytes(of: &template.checksums) { raw in
            for (index, offset) in checksums.enumerated() {
                unsafe raw.storeBytes(of: UInt16(offset), toByteOffset: 2 * index, as: UInt16.self)
            }
        }
        unsafe withUnsafeMutableBytes(of: &template.words) { unsafe $0.copyBytes(from: frame) }
        try storeInMap(try object.map("template"), key: UInt32(0), value: template)
        let pace = try object.map("pace")
        loaded = Mutex(Loaded(object: object, pace: pace))
        self.namespace = namespace
        frameLength = frame.count
    }

    /// Sends `packets` packets, `rate` a second or as fast as the core can.
    ///
    /// *Returns*: after the last packet. The receiving device must have an XDP program or GRO on: a veth loses them
    /// otherwise.
    public func send(_ packets: UInt64, perSecond rate: Double? = nil) throws(LabError) -> Report {
        try loaded.withLock { loaded throws(LabError) in
            var pace = trafficgen_pace()
            pace.limit = packets
            pace.interval = rate.map { UInt64(1e9 / $0 * 4_294_967_296) } ?? 0
            try storeInMap(loaded.pace, key: UInt32(0), value: pace)
            // A call of the program that waits takes at least 16 looks at the clock, so this is enough of them; those
            // too many return at once.
            let waits = rate.map { Double(packets) / $0 * 4e6 } ?? 0
            let calls = UInt32(min(Double(packets) + waits + 64, 2e9))
            let program = loaded.object.program
            let length = frameLength
            while pace.sent < packets {
                try namespace.perform { () throws(LabError) in
                    try runOnLiveFrames(program, frameLength: length, calls: calls)
                }
                try loadFromMap(loaded.pace, key: UInt32(0), into: &pace)
            }
            return Report(packets: pace.sent, octets: pace.octets, nanoseconds: pace.finished - pace.started)
        }
    }
}

private func runOnLiveFrames(_ program: Int32, frameLength: Int, calls: UInt32) throws(LabError) {
    let frame = [UInt8](repeating: 0, count: frameLength)
    let code = unsafe frame.withUnsafeBytes { raw in
        var options = unsafe bpf_test_run_opts()
        unsafe options.sz = MemoryLayout<bpf_test_run_opts>.size
        unsafe options.data_in = raw.baseAddress
        unsafe options.data_size_in = UInt32(raw.count)
        unsafe options.repeat = Int32(calls)
        unsafe options.flags = UInt32(BPF_F_TEST_XDP_LIVE_FRAMES)
        return unsafe bpf_prog_test_run_opts(program, &options)
    }
    guard code == 0 else { throw .system(SystemError("run the traffic generator", code: -code)) }
}
