// SPDX-License-Identifier: Apache-2.0
import API
import Foundation
import Measurement
import SRv6
import Wire

/// A value of the JSON output. Keys are sorted and never left out: what is not there is null.
package indirect enum JSON: Encodable, Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case count(UInt64)
    case number(Double)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .count(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// Over several lines for whole documents, on one for streams.
    package func rendered(pretty: Bool) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    init(_ value: Int) { self = .integer(Int64(value)) }
    init(_ value: String?) { self = value.map { .text($0) } ?? .null }
    init(_ count: PacketCount) {
        self = .object(["packets": .count(count.packets), "octets": .count(count.octets)])
    }
    init(_ segments: SegmentList) { self = .list(segments.segments.map { .text($0.description) }) }
}

/// Columns of text for people.
package struct Table {
    package enum Column {
        case left(String)
        case right(String)
    }

    package let columns: [Column]
    package private(set) var rows: [[String]] = []

    package init(_ columns: [Column]) { self.columns = columns }

    /// *Requires*: a cell for every column.
    package mutating func add(_ cells: [String]) {
        precondition(cells.count == columns.count, "row does not fit its table")
        rows.append(cells)
    }

    /// One line for the titles, one for every row; no spaces at their ends.
    package func rendered() -> String {
        let titles = columns.map {
            if case .left(let title) = $0 { title } else if case .right(let title) = $0 { title } else { "" }
        }
        let widths = columns.indices.map { index in ([titles] + rows).map { $0[index].count }.max() ?? 0 }
        return ([titles] + rows).map { cells in
            var line = ""
            for (index, cell) in cells.enumerated() {
                let padding = String(repeating: " ", count: widths[index] - cell.count)
                if case .right = columns[index] { line += padding + cell } else { line += cell + padding }
                line += "  "
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}

/// What `srv6pm show` prints of one kind of thing.
package struct Listing {
    package let table: Table
    /// One object for every row.
    package let json: [JSON]

    package func rendered(asJSON: Bool) throws -> String {
        asJSON ? try JSON.list(json).rendered(pretty: true) : table.rendered()
    }
}

// Text for people may change; keys of JSON are promises, and a test holds them.

private func yesNo(_ value: Bool) -> String { value ? "yes" : "no" }

/// An interface that is gone, or in another namespace, has a number only.
private func name(_ index: Int, in interfaces: InterfaceNames) -> String { interfaces[index] ?? "#\(index)" }

extension Listing {
    package init(_ ports: [PortStatus]) {
        var table = Table([
            .left("PORT"), .left("STATE"), .left("MAC"), .right("MTU"), .right("QUEUES"), .left("ZERO-COPY"),
            .left("POLLING"), .right("RX PACKETS"), .right("RX OCTETS"), .right("TX PACKETS"), .right("TX OCTETS"),
            .right("RX DROPS"),
        ])
        for port in ports {
            table.add([
                port.name, port.isUp ? "up" : "down", "\(port.mac)", "\(port.mtu)", "\(port.queueCount)",
                yesNo(port.isZeroCopy), port.isBusyPolling ? "busy-poll" : "interrupt", "\(port.received.packets)",
                "\(port.received.octets)", "\(port.transmitted.packets)", "\(port.transmitted.octets)",
                "\(port.receiveDrops)",
            ])
        }
        self.table = table
        json = ports.map { port in
            .object([
                "name": .text(port.name), "link_index": JSON(port.linkIndex), "mac": .text("\(port.mac)"),
                "mtu": JSON(port.mtu), "up": .bool(port.isUp), "queues": JSON(port.queueCount),
                "zero_copy": .bool(port.isZeroCopy), "busy_polling": .bool(port.isBusyPolling),
                "received": JSON(port.received), "transmitted": JSON(port.transmitted),
                "receive_drops": .count(port.receiveDrops),
            ])
        }
    }

    package init(_ routes: [RouteStatus], interfaces: InterfaceNames) {
        var table = Table([
            .right("TABLE"), .left("PREFIX"), .right("METRIC"), .left("KIND"), .left("NEXT HOPS"), .left("ACTION"),
        ])
        for status in routes {
            let route = status.route
            let hops = route.nextHops.map { hop in
                var text = hop.gateway.map { "via \($0) " } ?? ""
                text += "dev \(name(hop.linkIndex, in: interfaces))"
                if hop.weight != 1 { text += " weight \(hop.weight)" }
                switch hop.encapsulation {
                case .none: break
                case .seg6(let policy): text += " seg6 \(policy)"
                case .seg6local(let local): text += " seg6local \(describe(local, interfaces))"
                case .other(let name): text += " \(name)"
                }
                return text
            }
            table.add([
                "\(route.key.table)", "\(route.key.prefix)", "\(route.key.metric)", route.kind.rawValue,
                hops.isEmpty ? "-" : hops.joined(separator: "; "), status.action,
            ])
        }
        self.table = table
        json = routes.map { status in
            let route = status.route
            return .object([
                "table": .count(UInt64(route.key.table)), "prefix": .text("\(route.key.prefix)"),
                "metric": .count(UInt64(route.key.metric)), "kind": .text(route.kind.rawValue),
                "next_hops": .list(route.nextHops.map { .object(members($0, interfaces)) }),
                "action": .text(status.action),
            ])
        }
    }

    package init(_ sids: [SIDStatus], interfaces: InterfaceNames) {
        var table = Table([
            .left("SID"), .right("TABLE"), .left("BEHAVIOR"), .left("EXECUTED BY"), .right("PACKETS"),
            .right("OCTETS"),
        ])
        for status in sids {
            table.add([
                "\(status.prefix)", "\(status.table)", describe(status.localSID, interfaces),
                status.isEngineExecuted ? "engine" : "kernel", "\(status.processed.packets)",
                "\(status.processed.octets)",
            ])
        }
        self.table = table
        json = sids.map { status in
            var object = members(status.localSID, interfaces)
            object["sid"] = .text("\(status.prefix)")
            object["table"] = .count(UInt64(status.table))
            object["engine_executed"] = .bool(status.isEngineExecuted)
            object["processed"] = JSON(status.processed)
            return .object(object)
        }
    }

    package init(_ policies: [PolicyStatus]) {
        var table = Table([.left("SEGMENTS"), .left("MODE"), .left("MONITORED"), .left("PREFIXES")])
        for status in policies {
            table.add([
                "\(status.policy.segments)", status.policy.mode.rawValue, yesNo(status.isMonitored),
                status.prefixes.isEmpty ? "-" : status.prefixes.map(\.description).joined(separator: " "),
            ])
        }
        self.table = table
        json = policies.map { status in
            .object([
                "segments": JSON(status.policy.segments), "mode": .text(status.policy.mode.rawValue),
                "monitored": .bool(status.isMonitored),
                "prefixes": .list(status.prefixes.map { .text($0.description) }),
            ])
        }
    }

    package init(_ flows: [FlowReading]) {
        var table = Table([
            .left("DIRECTION"), .left("SEGMENTS"), .left("MODE"), .right("A PACKETS"), .right("A OCTETS"),
            .right("B PACKETS"), .right("B OCTETS"), .right("UNCOLORED PACKETS"), .right("UNCOLORED OCTETS"),
        ])
        for reading in flows {
            let (policy, counters) = (reading.flow.policy, reading.counters)
            table.add([
                reading.flow.direction.rawValue, "\(policy.segments)", policy.mode.rawValue, "\(counters.a.packets)",
                "\(counters.a.octets)", "\(counters.b.packets)", "\(counters.b.octets)",
                "\(counters.uncolored.packets)", "\(counters.uncolored.octets)",
            ])
        }
        self.table = table
        json = flows.map { reading in
            var object = members(reading.flow)
            object["a"] = JSON(reading.counters.a)
            object["b"] = JSON(reading.counters.b)
            object["uncolored"] = JSON(reading.counters.uncolored)
            return .object(object)
        }
    }

    package init(_ drops: [DropStatus]) {
        var table = Table([.left("REASON"), .right("PACKETS")])
        for drop in drops { table.add([drop.reason.name, "\(drop.packets)"]) }
        self.table = table
        json = drops.map { .object(["reason": .text($0.reason.name), "packets": .count($0.packets)]) }
    }

    package init(_ workers: [WorkerStatus]) {
        var table = Table([
            .right("WORKER"), .right("CORE"), .right("BURSTS"), .right("RECEIVED"), .right("TRANSMITTED"),
            .right("PUNTED"), .right("DROPPED"), .right("SLEEPS"), .left("HUGEPAGES"),
        ])
        for worker in workers {
            table.add([
                "\(worker.index)", worker.core.map(String.init) ?? "-", "\(worker.bursts)", "\(worker.received)",
                "\(worker.transmitted)", "\(worker.punted)", "\(worker.dropped)", "\(worker.sleeps)",
                yesNo(worker.hasHugepages),
            ])
        }
        self.table = table
        json = workers.map { worker in
            .object([
                "index": JSON(worker.index), "core": worker.core.map { JSON($0) } ?? .null,
                "bursts": .count(worker.bursts), "received": .count(worker.received),
                "transmitted": .count(worker.transmitted), "punted": .count(worker.punted),
                "dropped": .count(worker.dropped), "sleeps": .count(worker.sleeps),
                "hugepages": .bool(worker.hasHugepages),
            ])
        }
    }

    package init(_ blocks: [Block]) {
        var table = Table([
            .left("DIRECTION"), .left("SEGMENTS"), .left("MODE"), .right("BLOCK"), .left("COLOR"), .left("START"),
            .left("END"), .right("PACKETS"), .right("OCTETS"), .left("COMPLETE"),
        ])
        for block in blocks {
            table.add([
                block.flow.direction.rawValue, "\(block.flow.policy.segments)", block.flow.policy.mode.rawValue,
                "\(block.number)", "\(block.color)", "\(block.start)", "\(block.end)", "\(block.count.packets)",
                "\(block.count.octets)", yesNo(block.isComplete),
            ])
        }
        self.table = table
        json = blocks.map { JSON($0) }
    }

    package init(_ status: RouterStatus) {
        var table = Table([.left("PROPERTY"), .left("VALUE")])
        let marking = status.marking
        let modes = EncapsulationMode.allCases.filter(status.capabilities.modes.contains).map(\.rawValue)
        let period = status.colorClock.map { "\($0.period)" }
        table.add(["backend", status.capabilities.backend])
        table.add(["version", status.version])
        table.add(["started at", "\(status.startedAt)"])
        table.add(["marking", "mask \(hex(marking.mask)), a \(hex(marking.a)), b \(hex(marking.b))"])
        table.add(["color", "\(status.activeColor), switched \(period.map { "every \($0)" } ?? "by hand")"])
        table.add(["flows", "at most \(status.capabilities.maximumFlows) per direction"])
        table.add(["segments", "at most \(status.capabilities.maximumSegments) per flow"])
        table.add(["modes", modes.joined(separator: ", ")])
        self.table = table
        json = [
            .object([
                "backend": .text(status.capabilities.backend), "version": .text(status.version),
                "started_at": .text("\(status.startedAt)"),
                "marking": .object([
                    "mask": JSON(Int(marking.mask)), "a": JSON(Int(marking.a)), "b": JSON(Int(marking.b)),
                ]),
                "color": .text("\(status.activeColor)"), "color_period": JSON(period),
                "maximum_flows": JSON(status.capabilities.maximumFlows),
                "maximum_segments": JSON(status.capabilities.maximumSegments),
                "modes": .list(modes.map { .text($0) }),
            ])
        ]
    }
}

extension JSON {
    package init(_ block: Block) {
        var object = members(block.flow)
        object["block"] = .integer(block.number)
        object["color"] = .text("\(block.color)")
        object["start"] = .text("\(block.start)")
        object["end"] = .text("\(block.end)")
        object["packets"] = .count(block.count.packets)
        object["octets"] = .count(block.count.octets)
        object["complete"] = .bool(block.isComplete)
        self = .object(object)
    }
}

extension Block {
    /// One line of `srv6pm watch`.
    package var line: String {
        "\(end)  block \(number) \(color)  \(flow)  \(count.packets) packets  \(count.octets) octets"
            + (isComplete ? "" : "  incomplete")
    }
}

private func hex(_ octet: UInt8) -> String { "0x" + (octet < 16 ? "0" : "") + String(octet, radix: 16) }

private func members(_ flow: Flow) -> [String: JSON] {
    [
        "direction": .text(flow.direction.rawValue), "segments": JSON(flow.policy.segments),
        "mode": .text(flow.policy.mode.rawValue),
    ]
}

private func members(_ local: LocalSID, _ interfaces: InterfaceNames) -> [String: JSON] {
    [
        "behavior": .text(local.behavior.name), "behavior_code": JSON(Int(local.behavior.rawValue)),
        "lookup_table": local.table.map { .count(UInt64($0)) } ?? .null,
        "next_hop": JSON(local.nextHop6?.description ?? local.nextHop4?.description),
        "interface": JSON(local.linkIndex.map { name($0, in: interfaces) }), "kernel_only": JSON(local.kernelOnly),
    ]
}

private func members(_ hop: NextHop, _ interfaces: InterfaceNames) -> [String: JSON] {
    var object: [String: JSON] = [
        "interface": .text(name(hop.linkIndex, in: interfaces)), "link_index": JSON(hop.linkIndex),
        "gateway": JSON(hop.gateway?.description), "weight": JSON(hop.weight), "seg6": .null, "seg6local": .null,
        "other": .null,
    ]
    switch hop.encapsulation {
    case .none: break
    case .seg6(let policy):
        object["seg6"] = .object(["segments": JSON(policy.segments), "mode": .text(policy.mode.rawValue)])
    case .seg6local(let local): object["seg6local"] = .object(members(local, interfaces))
    case .other(let name): object["other"] = .text(name)
    }
    return object
}

/// A behavior with its arguments, in the words of `ip -6 route`.
private func describe(_ local: LocalSID, _ interfaces: InterfaceNames) -> String {
    var text = local.behavior.name
    if let table = local.table { text += " table \(table)" }
    if let hop = local.nextHop6 { text += " via \(hop)" }
    if let hop = local.nextHop4 { text += " via \(hop)" }
    if let index = local.linkIndex { text += " dev \(name(index, in: interfaces))" }
    if let reason = local.kernelOnly { text += " (kernel only: \(reason))" }
    return text
}
