// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Lab
import SRv6
import Testing
import Wire

/// What scapy reads in a captured IPv6 packet.
struct ReadPacket: Decodable {
    struct SRH: Decodable {
        var nextHeader: Int
        var length: Int
        var type: Int
        var segmentsLeft: Int
        var lastEntry: Int
        var tag: Int
        /// As on the wire: the last segment first.
        var segments: [String]
    }
    struct Inner: Decodable {
        var version: Int
        var source: String
        var destination: String
        var trafficClass: Int
        var hopLimit: Int
        /// Whether the lengths of its headers agree with its octets.
        var isWhole: Bool
        /// Whether every checksum in it is the one that scapy computes.
        var areChecksumsRight: Bool
    }
    var source: String
    var destination: String
    var trafficClass: Int
    var hopLimit: Int
    /// Whether Payload Length is the number of octets that follow.
    var isWhole: Bool
    /// What follows the IPv6 header and the SRH, where there is one.
    var payloadHeader: Int
    var srh: SRH?
    var inner: Inner?
}

/// Reads a capture with scapy, which Debian installs for its own Python: every IPv6 packet that carries a packet inside.
func readWithScapy(_ path: String) throws -> [ReadPacket] {
    let text = try check(["/usr/bin/python3", "-c", scapyReader, path], upTo: .seconds(120))
    return try JSONDecoder().decode([ReadPacket].self, from: Data(text.utf8))
}

/// What tshark objects to in a capture, one line each: malformed packets, wrong checksums, errors of every kind, and
/// warnings outside of TCP, which warns of every reset.
func objectionsOfTshark(to path: String) throws -> [String] {
    let wrong = [
        "_ws.malformed", "_ws.expert.severity >= 8388608", "(_ws.expert.severity >= 6291456 and not tcp)",
        "ip.checksum.status == 0", "udp.checksum.status == 0", "tcp.checksum.status == 0",
        "icmpv6.checksum.status == 0",
    ]
    let output = try check(
        ["tshark", "-n", "-r", path]
            + ["ip", "udp", "tcp"].flatMap { ["-o", "\($0).check_checksum:TRUE"] }
            + ["-Y", wrong.joined(separator: " or "), "-T", "fields", "-e", "frame.number", "-e", "frame.protocols"]
            + ["-e", "_ws.expert.message"], upTo: .seconds(120))
    return output.split(separator: "\n").map(String.init)
}

private let scapyReader = #"""
    import json, logging, sys
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.layers.inet import IP, TCP, UDP, ICMP
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrSegmentRouting, _ICMPv6
    from scapy.utils import PcapReader

    def checksums_right(octets, kind):
        given, bare = kind(octets), kind(octets)
        layer = bare
        while layer:
            for field in ("chksum", "cksum"):
                if isinstance(layer, (IP, TCP, UDP, ICMP, _ICMPv6)) and field in layer.fields:
                    delattr(layer, field)
            layer = layer.payload
        return bytes(bare) == bytes(given)

    def inner_of(octets):
        if octets[0] >> 4 == 4:
            packet = IP(octets)
            return dict(version=4, source=packet.src, destination=packet.dst, trafficClass=packet.tos,
                        hopLimit=packet.ttl, isWhole=packet.len == len(octets) and packet.ihl == 5,
                        areChecksumsRight=checksums_right(octets, IP))
        packet = IPv6(octets)
        return dict(version=6, source=packet.src, destination=packet.dst, trafficClass=packet.tc,
                    hopLimit=packet.hlim, isWhole=packet.plen == len(octets) - 40,
                    areChecksumsRight=checksums_right(octets, IPv6))

    found = []
    for frame in PcapReader(sys.argv[1]):
        if IPv6 not in frame:
            continue
        packet = frame[IPv6]
        octets = bytes(packet)
        entry = dict(source=packet.src, destination=packet.dst, trafficClass=packet.tc, hopLimit=packet.hlim,
                     isWhole=packet.plen == len(octets) - 40, payloadHeader=packet.nh)
        start = 40
        if isinstance(packet.payload, IPv6ExtHdrSegmentRouting):
            srh = packet.payload
            entry["srh"] = dict(nextHeader=srh.nh, length=srh.len, type=srh.type, segmentsLeft=srh.segleft,
                                lastEntry=srh.lastentry, tag=srh.tag, segments=list(srh.addresses))
            entry["payloadHeader"] = srh.nh
            start += 8 + 8 * srh.len
        if entry["payloadHeader"] in (4, 41):
            entry["inner"] = inner_of(octets[start:])
            found.append(entry)
    json.dump(found, sys.stdout)
    """#

/// Compares what a headend has sent, as scapy reads it, with what the flows of a chain demand.
///
/// *Returns*: packets that were compared, per flow.
func compare(_ packets: [ReadPacket], with flows: [Chain.Flow], tunnelSource: String) throws -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for packet in packets {
        let inner = try #require(packet.inner)
        guard packet.source == tunnelSource,
            let flow = flows.first(where: { "\($0.pair.destination)" == inner.destination })
        else { continue }
        let list = flow.policy.segments.segments.map(\.description)
        let visible = flow.policy.mode.isReduced ? Array(list.dropFirst()) : list
        let isIPv4 = if case .v4 = flow.pair.destination { true } else { false }
        #expect(packet.destination == list[0])
        // What the kernel does is the measure: the hop limit is the inner one less one, the traffic class is
        // inherited from IPv6 and zero for IPv4, the inner packet stays as it is.
        #expect(packet.hopLimit == inner.hopLimit - 1)
        #expect(packet.trafficClass == (isIPv4 ? 0 : inner.trafficClass))
        #expect(packet.payloadHeader == (isIPv4 ? 4 : 41))
        #expect(packet.isWhole && inner.isWhole && inner.areChecksumsRight)
        #expect(inner.version == (isIPv4 ? 4 : 6))
        if visible.isEmpty {
            #expect(packet.srh == nil)
        } else {
            let srh = try #require(packet.srh, "no SRH from \(flow.pair.label)")
            #expect(srh.type == 4 && srh.tag == 0)
            #expect(srh.length == 2 * visible.count)
            #expect(srh.segmentsLeft == list.count - 1)
            #expect(srh.lastEntry == visible.count - 1)
            #expect(srh.segments == visible.reversed())
        }
        counts[flow.pair.number, default: 0] += 1
    }
    return counts
}
