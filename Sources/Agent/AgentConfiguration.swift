// SPDX-License-Identifier: Apache-2.0
import Dataplane
import Logging
import Measurement
import SRv6
import Wire
import Yams

/// The daemon's configuration file.
package struct AgentConfiguration: Hashable, Sendable {
    /// Data planes that this version has.
    package enum Backend: String, Hashable, Sendable, CaseIterable {
        case afxdp
    }

    package static let defaultSocket = "/run/srv6pm/srv6pmd.sock"
    /// Shorter and nobody reads the counters in time, longer and nobody sees the loss.
    package static let colorPeriods = Nanoseconds.milliseconds(100)...Nanoseconds.seconds(3600)
    /// The longest path that fits into a `sockaddr_un`.
    package static let maximumSocketLength = 107

    /// The data plane.
    package var backend = Backend.afxdp
    /// Where the control server listens.
    package var socket = Self.defaultSocket
    package var logLevel = Logger.Level.info
    /// Ports, marking and sizes, as the engine takes them.
    package var dataplane = DataplaneConfiguration()
    /// Nil when the color is switched by hand.
    package var colorClock: ColorClock?
    /// Monitored from the start, each once.
    package var flows: [Flow] = []

    package init() {}

    /// Reads the YAML text of a file. `backend` overrides what it says.
    ///
    /// *Throws*: everything that is wrong with it, in the order of the sections; syntax errors alone.
    package init(yaml: String, backend: String? = nil) throws(ConfigurationErrors) {
        self.init()
        var reader = YAMLReader()
        do {
            guard let root = try Yams.compose(yaml: yaml) else {
                throw ConfigurationErrors([
                    ConfigurationError(field: "configuration", found: "nothing", expected: "a mapping")
                ])
            }
            read(root, with: &reader)
        } catch let errors as ConfigurationErrors {
            throw errors
        } catch let error as YamlError {
            throw ConfigurationErrors([Self.syntaxError(error)])
        } catch {
            throw ConfigurationErrors([
                ConfigurationError(field: "configuration", found: "\(error)", expected: "YAML")
            ])
        }
        if let backend {
            guard let known = Backend(rawValue: backend) else {
                reader.fail("--backend", found: "\"\(backend)\"", expected: Self.backendNames)
                throw ConfigurationErrors(reader.errors)
            }
            self.backend = known
        }
        guard reader.errors.isEmpty else { throw ConfigurationErrors(reader.errors) }
    }

    private static let backendNames = "afxdp, the only backend of this version"

    private mutating func read(_ root: Node, with reader: inout YAMLReader) {
        let keys = ["backend", "socket", "log_level", "dataplane", "ports", "marking", "color_clock", "flows"]
        guard let file = reader.section(root, at: "", keys: keys) else { return }
        if let value = reader.value(file, "backend", expected: Self.backendNames, Backend.init) { backend = value }
        let path = "an absolute path of at most \(Self.maximumSocketLength) octets"
        if let value = reader.value(
            file, "socket", expected: path,
            { $0.hasPrefix("/") && $0.utf8.count <= Self.maximumSocketLength ? $0 : nil })
        {
            socket = value
        }
        if let value = reader.choice(file, "log_level", Logger.Level.self) { logLevel = value }
        readDataplane(file, with: &reader)
        readPorts(file, with: &reader)
        readMarking(file, with: &reader)
        readColorClock(file, with: &reader)
        readFlows(file, with: &reader)
    }

    private mutating func readDataplane(_ file: YAMLReader.Section, with reader: inout YAMLReader) {
        let keys = [
            "workers", "cores", "hugepages", "ring_size", "burst", "maximum_flows", "punt_device", "punt_rate",
            "bpf_directory",
        ]
        guard let section = reader.section(file, "dataplane", keys: keys) else { return }
        if let value = reader.integer(section, "workers", in: 1...64) { dataplane.workerCount = value }
        if let cores = reader.list(section, "cores") { readCores(cores, with: &reader) }
        if let value = reader.choice(section, "hugepages", Hugepages.self) { dataplane.hugepages = value == .auto }
        let sizes = 64...16384
        if let value = reader.value(
            section, "ring_size", expected: "a power of two from 64 to 16384",
            { text in YAMLReader.integer(text, in: sizes).flatMap { $0 & ($0 - 1) == 0 ? $0 : nil } })
        {
            dataplane.ringSize = value
        }
        if let value = reader.integer(section, "burst", in: 1...256) { dataplane.burstSize = value }
        if let value = reader.integer(section, "maximum_flows", in: 1...4_194_304) { dataplane.maximumFlows = value }
        if let value = reader.value(section, "punt_device", expected: Self.interfaceName, Self.interface) {
            dataplane.puntDevice = value
        }
        if let value = reader.integer(section, "punt_rate", in: 0...100_000_000) { dataplane.puntRate = value }
        if let value = reader.text(section, "bpf_directory", expected: "a directory") {
            dataplane.bpfDirectory = value
        }
    }

    /// There is no `on`: whether there are hugepages is for the system to say.
    private enum Hugepages: String, CaseIterable {
        case auto, off
    }

    private mutating func readCores(_ nodes: [(path: String, node: Node)], with reader: inout YAMLReader) {
        for (path, node) in nodes {
            guard
                let core = reader.value(
                    node, at: path, expected: "a number from 0 to 1023",
                    { YAMLReader.integer($0, in: 0...1023) })
            else { continue }
            if dataplane.cores.contains(core) {
                reader.fail(path, found: "core \(core) again", expected: "each core once")
            } else {
                dataplane.cores.append(core)
            }
        }
        if !nodes.isEmpty, nodes.count < dataplane.workerCount {
            reader.fail(
                "dataplane.cores", found: "\(nodes.count) for \(dataplane.workerCount) workers",
                expected: "a core for each worker, or none at all")
        }
    }

    private static let interfaceName = "the name of an interface, 1 to 15 characters"

    /// What the kernel takes as the name of an interface.
    private static func interface(_ text: String) -> String? {
        let isValid =
            (1...15).contains(text.utf8.count) && text != "." && text != ".."
            && !text.contains { $0 == "/" || $0 == ":" || $0.isWhitespace }
        return isValid ? text : nil
    }

    private mutating func readPorts(_ file: YAMLReader.Section, with reader: inout YAMLReader) {
        reader.require(file, "ports", expected: "a list of at least one port")
        guard let nodes = reader.list(file, "ports") else { return }
        if nodes.isEmpty { reader.fail("ports", found: "an empty list", expected: "at least one port") }
        for (path, node) in nodes {
            guard let section = reader.section(node, at: path, keys: ["name", "polling", "zero_copy"]) else { continue }
            reader.require(section, "name", expected: Self.interfaceName)
            let polling = reader.choice(section, "polling", DataplaneConfiguration.Polling.self)
            let zeroCopy = reader.choice(section, "zero_copy", DataplaneConfiguration.ZeroCopy.self)
            guard let name = reader.value(section, "name", expected: Self.interfaceName, Self.interface) else {
                continue
            }
            if let first = dataplane.ports.firstIndex(where: { $0.name == name }) {
                reader.fail("\(path).name", found: "\"\(name)\"", expected: "another name than that of ports[\(first)]")
            }
            dataplane.ports.append(
                DataplaneConfiguration.Port(name: name, polling: polling ?? .interrupt, zeroCopy: zeroCopy ?? .auto))
        }
    }

    private mutating func readMarking(_ file: YAMLReader.Section, with reader: inout YAMLReader) {
        guard let section = reader.section(file, "marking", keys: ["mask", "a", "b"]) else { return }
        var octets: [UInt8] = []
        for key in ["mask", "a", "b"] {
            reader.require(section, key, expected: "a number from 1 to 255")
            if let value = reader.integer(section, key, in: 1...255) { octets.append(UInt8(value)) }
        }
        guard octets.count == 3 else { return }
        guard let scheme = MarkingScheme(mask: octets[0], a: octets[1], b: octets[2]) else {
            let found = zip(["mask", "a", "b"], octets).map { "\($0) 0x\(String($1, radix: 16))" }
            reader.fail(
                "marking", found: found.joined(separator: ", "), expected: "two different values under the mask")
            return
        }
        dataplane.marking = scheme
    }

    private mutating func readColorClock(_ file: YAMLReader.Section, with reader: inout YAMLReader) {
        guard let section = reader.section(file, "color_clock", keys: ["period"]) else { return }
        let range = Self.colorPeriods
        let expected = "a duration from \(range.lowerBound) to \(range.upperBound), for example 500ms or 10s"
        reader.require(section, "period", expected: expected)
        if let period = reader.value(
            section, "period", expected: expected,
            { text in Nanoseconds(text).flatMap { range.contains($0) ? $0 : nil } })
        {
            colorClock = ColorClock(period: period)
        }
    }

    private mutating func readFlows(_ file: YAMLReader.Section, with reader: inout YAMLReader) {
        guard let nodes = reader.list(file, "flows") else { return }
        var paths: [Flow: String] = [:]
        for (path, node) in nodes {
            guard let section = reader.section(node, at: path, keys: ["segments", "mode", "direction"]) else {
                continue
            }
            reader.require(section, "segments", expected: "a list of IPv6 addresses in travel order")
            reader.require(section, "direction", expected: "ingress or egress")
            let mode = reader.value(section, "mode", expected: "encap or encap.red") { text in
                EncapsulationMode(rawValue: text).flatMap { $0 == .encap || $0 == .encapRed ? $0 : nil }
            }
            let direction = reader.choice(section, "direction", FlowDirection.self)
            guard let segments = segments(of: section, with: &reader), let direction else { continue }
            let flow = Flow(policy: Policy(segments: segments, mode: mode ?? .encap), direction: direction)
            if let first = paths[flow] {
                reader.fail(path, found: "\(flow)", expected: "another flow than \(first)")
                continue
            }
            paths[flow] = path
            flows.append(flow)
        }
    }

    /// *Returns*: nil when something is wrong or missing, which is then noted.
    private func segments(of section: YAMLReader.Section, with reader: inout YAMLReader) -> SegmentList? {
        guard let nodes = reader.list(section, "segments") else { return nil }
        var segments: [SID] = []
        for (path, node) in nodes {
            if let sid = reader.value(node, at: path, expected: "an IPv6 address", { SID($0) }) { segments.append(sid) }
        }
        guard segments.count == nodes.count else { return nil }
        let list = SegmentList(segments)
        if list == nil {
            reader.fail(
                section.path(to: "segments"), found: "\(nodes.count) segments",
                expected: "1 to \(SegmentList.maximumCount)")
        }
        return list
    }

    /// The parser's own words, with the place that it gives.
    private static func syntaxError(_ error: YamlError) -> ConfigurationError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            ConfigurationError(field: "line \(mark.line), column \(mark.column)", found: problem, expected: "YAML")
        case .duplicatedKeysInMapping(let duplicates, let context):
            ConfigurationError(
                field: "line \(context.mark.line)",
                found: "\(duplicates.sorted().joined(separator: ", ")) more than once", expected: "each key once")
        default:
            ConfigurationError(field: "configuration", found: "\(error)", expected: "YAML")
        }
    }
}
