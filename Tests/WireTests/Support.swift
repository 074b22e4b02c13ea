// SPDX-License-Identifier: Apache-2.0
import Wire

/// Random values that are the same in every run (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func value<Value: FixedWidthInteger>(_ range: ClosedRange<Value> = .min ... .max) -> Value {
        .random(in: range, using: &self)
    }

    mutating func octets(_ count: Int) -> [UInt8] { (0..<count).map { _ in value() } }
    mutating func octets(_ counts: ClosedRange<Int>) -> [UInt8] { octets(value(counts)) }
    mutating func ipv6Address() -> IPv6Address { IPv6Address(high: value(), low: value()) }
    mutating func ipv4Address() -> IPv4Address { IPv4Address(value()) }
    mutating func macAddress() -> MACAddress { MACAddress(value()) }

    /// An address in which runs of zero groups are frequent.
    mutating func sparseIPv6Address() -> IPv6Address {
        func half(_ random: inout Seeded) -> UInt64 {
            (0..<4).reduce(0) { half, _ in
                let group: UInt16 = random.value(0...2) == 0 ? random.value() : random.value(0...1) * 0xffff
                return half << 16 | UInt64(group)
            }
        }
        let high = half(&self)
        return IPv6Address(high: high, low: half(&self))
    }

    mutating func srh(segmentCounts: ClosedRange<Int> = 1...16) -> SRH {
        let segments = (0..<value(segmentCounts)).map { _ in ipv6Address() }
        return SRH(
            nextHeader: value(), segmentsLeft: value(0...UInt8(segments.count)), flags: value(), tag: value(),
            segments: segments)
    }
}

/// The octets of a hexadecimal text; white space is for the reader.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.map { $0.hexDigitValue! }
    precondition(digits.count % 2 == 0, "half an octet")
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// A buffer full of ones after `body` has written into it: an octet that was not written shows.
func emitted(_ count: Int, _ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xff, count: count)
    var span = buffer.mutableSpan
    var octets = unsafe span.mutableBytes
    body(&octets)
    return buffer
}

func sum(_ octets: [UInt8], partial: UInt16 = 0) -> UInt16 {
    unsafe Checksum.sum(octets.span.bytes, partial: partial)
}

/// RFC 1071 as its text says it: 16-bit words, each carry brought around at once.
func naiveSum(_ octets: [UInt8], partial: UInt16 = 0) -> UInt16 {
    var total = UInt32(partial)
    for offset in stride(from: 0, to: octets.count, by: 2) {
        let low = offset + 1 < octets.count ? octets[offset + 1] : 0
        total += UInt32(octets[offset]) << 8 | UInt32(low)
        if total > 0xffff { total -= 0xffff }
    }
    return UInt16(total)
}

private func copy(_ octets: RawSpan) -> [UInt8] {
    var all: [UInt8] = []
    for offset in 0..<octets.byteCount { all.append(octets.u8(at: offset)) }
    return all
}

/// Everything that an `EthernetView` tells.
struct EthernetFields: Hashable {
    var header: Ethernet

    init(_ header: Ethernet) { self.header = header }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe EthernetView(octets.span.bytes) else { return nil }
        header = Ethernet(view)
    }
}

/// Everything that an `IPv4View` tells.
struct IPv4Fields: Hashable {
    var headerByteCount = 20
    var typeOfService: UInt8
    var totalLength: Int
    var identification: UInt16
    var dontFragment: Bool
    var isFragment = false
    var timeToLive: UInt8
    var nextHeader: UInt8
    var source: IPv4Address
    var destination: IPv4Address
    var isChecksumValid = true

    /// What the view has to tell after `header` was emitted.
    init(_ header: IPv4) {
        typeOfService = header.typeOfService
        totalLength = 20 + header.payloadLength
        identification = header.identification
        dontFragment = header.dontFragment
        timeToLive = header.timeToLive
        nextHeader = header.nextHeader
        source = header.source
        destination = header.destination
    }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe IPv4View(octets.span.bytes) else { return nil }
        headerByteCount = view.headerByteCount
        typeOfService = view.typeOfService
        totalLength = view.totalLength
        identification = view.identification
        dontFragment = view.dontFragment
        isFragment = view.isFragment
        timeToLive = view.timeToLive
        nextHeader = view.nextHeader
        source = view.source
        destination = view.destination
        isChecksumValid = view.isChecksumValid
    }
}

/// Everything that an `IPv6View` tells, but for the walk.
struct IPv6Fields: Hashable {
    var header: IPv6
    var totalLength: Int

    init(_ header: IPv6) {
        self.header = header
        self.header.flowLabel &= 0xfffff
        totalLength = 40 + Int(header.payloadLength)
    }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe IPv6View(octets.span.bytes) else { return nil }
        header = IPv6(view)
        totalLength = view.totalLength
    }
}

/// Where a walk over extension headers ended.
struct Walk: Hashable, CustomStringConvertible {
    var nextHeader: UInt8
    var offset: Int
    var status: IPv6View.Extensions.Status = .complete

    var description: String { "\(nextHeader) at \(offset), \(status)" }

    init(_ nextHeader: UInt8, at offset: Int, _ status: IPv6View.Extensions.Status = .complete) {
        self.nextHeader = nextHeader
        self.offset = offset
        self.status = status
    }

    private init(_ found: IPv6View.Extensions) { self.init(found.nextHeader, at: found.offset, found.status) }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe IPv6View(octets.span.bytes) else { return nil }
        self.init(view.walk())
    }

    init?(_ octets: [UInt8], from offset: Int, nextHeader: UInt8) {
        guard let view = unsafe IPv6View(octets.span.bytes) else { return nil }
        self.init(view.walk(from: offset, nextHeader: nextHeader))
    }
}

/// Everything that an `SRHView` tells.
struct SRHFields: Hashable {
    var header: SRH
    var byteCount: Int
    var lastEntry: Int
    /// Segment List[0], Segment List[1] and so on, as `segment(_:)` reads them.
    var wireOrder: [IPv6Address]
    var segmentOctets: [UInt8]
    var areTLVsConsistent = true

    /// What the view has to tell after `header` was emitted.
    init(_ header: SRH) {
        self.header = header
        byteCount = 8 + 16 * header.segments.count
        lastEntry = header.segments.count - 1
        wireOrder = header.segments.reversed()
        segmentOctets = wireOrder.flatMap { address in emitted(16) { $0.setIPv6Address(address, at: 0) } }
    }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe SRHView(octets.span.bytes) else { return nil }
        header = SRH(view)
        byteCount = view.byteCount
        lastEntry = view.lastEntry
        wireOrder = []
        for index in 0..<view.segmentCount { wireOrder.append(view.segment(index)) }
        segmentOctets = copy(view.segmentOctets)
        areTLVsConsistent = view.areTLVsConsistent
    }
}

/// Everything that a `UDPView` tells, but for the checksum's validity.
struct UDPFields: Hashable {
    var header: UDP
    var length: Int
    var checksum: UInt16
    var payload: [UInt8]

    init(_ header: UDP, checksum: UInt16, payload: [UInt8]) {
        self.header = header
        length = 8 + payload.count
        self.checksum = checksum
        self.payload = payload
    }

    init?(_ octets: [UInt8]) {
        guard let view = unsafe UDPView(octets.span.bytes) else { return nil }
        header = UDP(sourcePort: view.sourcePort, destinationPort: view.destinationPort)
        length = view.length
        checksum = view.checksum
        payload = copy(view.payload)
    }
}

/// Nil when there is no datagram.
func isUDPChecksumValid(_ octets: [UInt8], pseudoHeader: UInt16) -> Bool? {
    unsafe UDPView(octets.span.bytes)?.isChecksumValid(pseudoHeader: pseudoHeader)
}
