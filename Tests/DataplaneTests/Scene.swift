// SPDX-License-Identifier: Apache-2.0
import Bench
import Dataplane
import SRv6
import Wire

/// An engine between memory ports `p0` (link 1) and `p1` (link 2), with the network state that a test writes down.
final class Scene {
    static let network = """
        link p0 mac 02:00:00:00:01:01
        link p1 mac 02:00:00:00:02:01
        link other mac 02:00:00:00:03:01
        address fcf0:1::1/64 dev p0
        address fcf0:2::1/64 dev p1
        route fcf0:1::/64 dev p0
        route fcf0:2::/64 dev p1
        neighbor fcf0:1::2 lladdr 02:00:00:00:01:02 dev p0
        neighbor fcf0:2::2 lladdr 02:00:00:00:02:02 dev p1
        neighbor fcf0:2::3 lladdr 02:00:00:00:02:03 dev p1
        neighbor 10.0.2.2 lladdr 02:00:00:00:02:02 dev p1
        tunsrc fcff:1::1

        """

    let dataplane: Dataplane
    let driver: MemoryDriver
    let factory = PacketFactory(
        destinationMAC: MACAddress(0x0200_0000_0101), sourceMAC: MACAddress(0x0200_0000_0102))

    init(_ script: String = "", _ adjust: (inout DataplaneConfiguration) -> Void = { _ in }) throws {
        var configuration = DataplaneConfiguration()
        configuration.ports = [.init(name: "p0"), .init(name: "p1")]
        configuration.ringSize = 256
        configuration.hugepages = false
        configuration.maximumFlows = 64
        adjust(&configuration)
        dataplane = try Dataplane(configuration, report: { _ in })
        dataplane.apply(try NetworkScript(Self.network + script).changes)
        driver = try dataplane.startInMemory()
    }

    /// Sends an IP packet into `p0`.
    func send(_ packet: [UInt8]) -> MemoryDriver.Outcome? { driver.process(factory.frame(packet), port: 0) }

    /// Sends an IP packet that must come out of `p1`, addressed from the port to a neighbor, and returns it.
    func forwarded(_ packet: [UInt8], to mac: UInt64 = 0x0200_0000_0202) throws -> [UInt8] {
        guard case .transmitted(let port, let octets) = send(packet) else {
            throw SceneError("not transmitted: \(drops), punted \(dataplane.workers()[0].punted)")
        }
        guard port == 1, let ethernet = unsafe EthernetView(octets.span.bytes) else {
            throw SceneError("left by port \(port)")
        }
        guard ethernet.destination == MACAddress(mac), ethernet.source == MACAddress(0x0200_0000_0201) else {
            throw SceneError("addressed to \(ethernet.destination) from \(ethernet.source)")
        }
        let type = octets[14] >> 4 == 4 ? EtherType.ipv4 : EtherType.ipv6
        guard ethernet.type == type else { throw SceneError("EtherType \(ethernet.type)") }
        return Array(octets.dropFirst(EthernetView.byteCount))
    }

    /// Reasons that have ended packets.
    var drops: [DropReason: UInt64] {
        Dictionary(uniqueKeysWithValues: dataplane.drops().filter { $0.packets > 0 }.map { ($0.reason, $0.packets) })
    }

    /// Received packets that ended in no way, or in more than one.
    var unaccounted: Int64 {
        dataplane.workers().reduce(0) {
            $0 + Int64($1.received) - Int64($1.transmitted) - Int64($1.punted) - Int64($1.dropped)
        }
    }
}

struct SceneError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func v6(_ text: String) -> IPv6Address { IPv6Address(text) ?? .unspecified }
func v4(_ text: String) -> IPv4Address { IPv4Address(text) ?? IPv4Address(0) }
func list(_ text: String) -> SegmentList { SegmentList(text) ?? SegmentList([.unspecified])! }

/// A packet between customers, every field different from its default.
func customer6(to destination: String = "fd00:8::2", hopLimit: UInt8 = 64, payload: Int = 20) -> [UInt8] {
    PacketFactory.ipv6(
        from: v6("fd00:1::2"), to: v6(destination), sourcePort: 0xc351, destinationPort: 0x1389, trafficClass: 0xb9,
        flowLabel: 0x12345, hopLimit: hopLimit, payload: (0..<payload).map { UInt8(truncatingIfNeeded: $0 + 1) })
}

func customer4(to destination: String = "10.8.0.2", timeToLive: UInt8 = 64, payload: Int = 20) -> [UInt8] {
    PacketFactory.ipv4(
        from: v4("10.1.0.2"), to: v4(destination), sourcePort: 0xc351, destinationPort: 0x1389, typeOfService: 0xb9,
        timeToLive: timeToLive, payload: (0..<payload).map { UInt8(truncatingIfNeeded: $0 + 1) })
}
