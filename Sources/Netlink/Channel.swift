// SPDX-License-Identifier: Apache-2.0
import CMNL
import SRv6
import Wire

/// A socket for requests, one at a time: what arrives on it are answers.
struct Channel: ~Copyable {
    private let socket: Socket
    private var sequence: UInt32 = 0
    private var buffer = [UInt8](repeating: 0, count: Channel.bufferByteCount)

    /// The kernel builds dumps of at most 32 KiB at a time; one route can take more, but no attribute exceeds 64 KiB.
    static let bufferByteCount = 128 << 10

    init(bus: Int32) throws(SystemError) { socket = try Socket(bus: bus, blocks: true) }

    /// Sends a request and waits for the end of the answer: of a dump, its last message; else an acknowledgment.
    ///
    /// *Requires*: `flags` for a dump, or none.
    /// *Returns*: whether the kernel gave the answer in one piece; false when what it dumped changed meanwhile.
    /// *Throws*: what the kernel answered instead, with `what` was attempted.
    mutating func exchange(
        _ what: String, type: Int, flags: Int32 = 0, fixed: [UInt8], attribute: (type: Int, payload: [UInt8])? = nil,
        _ body: (RawSpan) -> Void
    ) throws(SystemError) -> Bool {
        sequence &+= 1
        let ending = flags & NLM_F_DUMP == NLM_F_DUMP ? flags : flags | NLM_F_ACK
        var request = Request(type: type, flags: NLM_F_REQUEST | ending, sequence: sequence, fixed: fixed)
        if let attribute { request.append(attribute.type, attribute.payload) }
        try socket.send(request)
        var outcome = Outcome()
        while outcome.code == nil {
            let wanted = sequence
            try socket.receive(into: &buffer) { datagram in
                datagram.forEachMessage { header, payload in
                    // Remains of an exchange that failed half-way have an older number.
                    if header.sequence == wanted && outcome.take(header, payload) { body(payload) }
                }
            }
        }
        if let code = outcome.code, code != 0 { throw SystemError(what, code: code) }
        return outcome.isWhole
    }

    /// Dumps until nothing changed meanwhile, eight times at most.
    mutating func dump<Item>(
        _ what: String, type: Int, family: Int32, headerByteCount: Int, attempts: Int = 8,
        attribute: (type: Int, payload: [UInt8])? = nil, _ decode: (RawSpan) -> Item?
    ) throws(SystemError) -> Dump<Item> {
        let fixed = [UInt8(family)] + [UInt8](repeating: 0, count: headerByteCount - 1)
        var dump = Dump<Item>()
        for _ in 0..<attempts where !dump.isWhole {
            var items: [Item] = []
            dump.isWhole = try exchange(
                "dump \(what)", type: type, flags: NLM_F_DUMP, fixed: fixed, attribute: attribute
            ) { payload in
                if let item = decode(payload) { items.append(item) }
            }
            dump.items = items
        }
        return dump
    }

    /// What the messages of an answer amount to.
    private struct Outcome {
        /// Zero for success, nil before the end.
        var code: Int32?
        var isWhole = true

        /// *Returns*: whether the message has content.
        mutating func take(_ header: MessageHeader, _ payload: RawSpan) -> Bool {
            if header.has(NLM_F_DUMP_INTR) { isWhole = false }
            switch Int32(header.type) {
            // Both carry a negative error number first; an acknowledgment is an error of zero.
            case NLMSG_ERROR, NLMSG_DONE: code = Int32(bitPattern: 0 &- (payload.host32() ?? 0))
            case NLMSG_NOOP: break
            default: return true
            }
            return false
        }
    }
}

/// What a dump showed.
struct Dump<Item> {
    var items: [Item] = []
    /// False when the kernel says that its tables changed under the dump: some items may be missing.
    var isWhole = false

    /// Both in one: of the two families.
    static func + (left: Dump, right: Dump) -> Dump {
        Dump(items: left.items + right.items, isWhole: left.isWhole && right.isWhole)
    }
}
