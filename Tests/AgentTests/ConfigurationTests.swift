// SPDX-License-Identifier: Apache-2.0
import Agent
import Dataplane
import Measurement
import SRv6
import Testing

/// The errors of a configuration, as the daemon prints them.
private func errors(_ yaml: String, backend: String? = nil) -> [String] {
    do {
        _ = try AgentConfiguration(yaml: yaml, backend: backend)
        return []
    } catch {
        return error.list.map(\.description)
    }
}

/// A valid file but for the line of the test.
private func errors(with line: String) -> [String] { errors("ports: [{name: r1-r2}]\n" + line) }

@Suite struct ConfigurationTests {
    @Test func everythingIsRead() throws {
        let configuration = try AgentConfiguration(
            yaml: """
                backend: afxdp
                socket: /run/test/srv6pmd.sock
                log_level: debug
                dataplane: {workers: 2, cores: [3, 1], hugepages: off, ring_size: 512, burst: 32, maximum_flows: 1000,
                            punt_device: punt7, punt_rate: 70000, bpf_directory: /usr/lib/test}
                ports:
                  - {name: r1-r2, polling: busy-poll, zero_copy: off}
                  - name: r1-h1
                marking: {mask: 0x03, a: 0x01, b: 2}
                color_clock: {period: 500ms}
                flows:
                  - {segments: [fcff:2::1, fcff:3::100], mode: encap.red, direction: egress}
                  - {segments: ["fcff:4::"], direction: ingress}
                """)
        #expect(configuration.backend == .afxdp)
        #expect(configuration.socket == "/run/test/srv6pmd.sock")
        #expect(configuration.logLevel == .debug)
        var dataplane = DataplaneConfiguration()
        dataplane.ports = [
            .init(name: "r1-r2", polling: .busyPoll, zeroCopy: .off),
            .init(name: "r1-h1", polling: .interrupt, zeroCopy: .auto),
        ]
        dataplane.workerCount = 2
        dataplane.cores = [3, 1]
        dataplane.hugepages = false
        dataplane.ringSize = 512
        dataplane.burstSize = 32
        dataplane.maximumFlows = 1000
        dataplane.puntDevice = "punt7"
        dataplane.puntRate = 70000
        dataplane.bpfDirectory = "/usr/lib/test"
        dataplane.marking = .ecn
        #expect(configuration.dataplane == dataplane)
        #expect(configuration.colorClock == ColorClock(period: .milliseconds(500)))
        #expect(
            configuration.flows == [
                Flow(
                    policy: Policy(segments: Sample.list("fcff:2::1,fcff:3::100"), mode: .encapRed), direction: .egress),
                Flow(policy: Policy(segments: Sample.list("fcff:4::")), direction: .ingress),
            ])
    }

    @Test func defaultsAreTheDataplanes() throws {
        var expected = AgentConfiguration()
        expected.dataplane.ports = [.init(name: "r1-r2")]
        #expect(try AgentConfiguration(yaml: "ports: [{name: r1-r2}]") == expected)
        #expect(expected.socket == "/run/srv6pm/srv6pmd.sock" && expected.colorClock == nil)
    }

    @Test func theBackendOfTheArgumentsWins() throws {
        let configuration = try AgentConfiguration(yaml: "ports: [{name: r1-r2}]", backend: "afxdp")
        #expect(configuration.backend == .afxdp)
        #expect(
            errors("ports: [{name: r1-r2}]", backend: "ebpf") == [
                "--backend: found \"ebpf\", expected afxdp, the only backend of this version"
            ])
    }

    @Test(arguments: [
        ("backend: ebpf", "backend: found \"ebpf\", expected afxdp, the only backend of this version"),
        ("backend: [afxdp]", "backend: found a list, expected afxdp, the only backend of this version"),
        ("backend:", "backend: found nothing, expected afxdp, the only backend of this version"),
        ("socket: run/x.sock", "socket: found \"run/x.sock\", expected an absolute path of at most 107 octets"),
        (
            "log_level: loud",
            "log_level: found \"loud\", expected trace, debug, info, notice, warning, error or critical"
        ),
        ("dataplane: 7", "dataplane: found \"7\", expected a mapping"),
        ("dataplane: {workers: 0}", "dataplane.workers: found \"0\", expected a number from 1 to 64"),
        ("dataplane: {workers: 65}", "dataplane.workers: found \"65\", expected a number from 1 to 64"),
        ("dataplane: {workers: two}", "dataplane.workers: found \"two\", expected a number from 1 to 64"),
        ("dataplane: {workers: {}}", "dataplane.workers: found a mapping, expected a number from 1 to 64"),
        ("dataplane: {cores: 0}", "dataplane.cores: found \"0\", expected a list"),
        ("dataplane: {cores: [0, 1024]}", "dataplane.cores[1]: found \"1024\", expected a number from 0 to 1023"),
        ("dataplane: {cores: [1, 2, 1]}", "dataplane.cores[2]: found core 1 again, expected each core once"),
        (
            "dataplane: {workers: 3, cores: [1, 2]}",
            "dataplane.cores: found 2 for 3 workers, expected a core for each worker, or none at all"
        ),
        ("dataplane: {hugepages: yes}", "dataplane.hugepages: found \"yes\", expected auto or off"),
        (
            "dataplane: {ring_size: 1000}",
            "dataplane.ring_size: found \"1000\", expected a power of two from 64 to 16384"
        ),
        (
            "dataplane: {ring_size: 32}",
            "dataplane.ring_size: found \"32\", expected a power of two from 64 to 16384"
        ),
        ("dataplane: {burst: 257}", "dataplane.burst: found \"257\", expected a number from 1 to 256"),
        (
            "dataplane: {maximum_flows: 4194305}",
            "dataplane.maximum_flows: found \"4194305\", expected a number from 1 to 4194304"
        ),
        ("dataplane: {punt_rate: -1}", "dataplane.punt_rate: found \"-1\", expected a number from 0 to 100000000"),
        (
            "dataplane: {punt_device: srv6pm-punt-00000}",
            "dataplane.punt_device: found \"srv6pm-punt-00000\", expected the name of an interface, 1 to 15 characters"
        ),
        ("dataplane: {bpf_directory: }", "dataplane.bpf_directory: found nothing, expected a directory"),
        (
            "dataplane: {wokers: 2}",
            "dataplane.wokers: found an unknown key, expected workers, or another of workers, cores, hugepages, "
                + "ring_size, burst, maximum_flows, punt_device, punt_rate, bpf_directory"
        ),
        ("marking: {mask: 0x0c, a: 4}", "marking.b: found nothing, expected a number from 1 to 255"),
        ("marking: {mask: 0x100, a: 4, b: 8}", "marking.mask: found \"0x100\", expected a number from 1 to 255"),
        (
            "marking: {mask: 0x0c, a: 4, b: 1}",
            "marking: found mask 0xc, a 0x4, b 0x1, expected two different values under the mask"
        ),
        (
            "marking: {mask: 0x0c, a: 4, b: 4}",
            "marking: found mask 0xc, a 0x4, b 0x4, expected two different values under the mask"
        ),
        (
            "color_clock: {period: 10}",
            "color_clock.period: found \"10\", expected a duration from 100ms to 3600s, for example 500ms or 10s"
        ),
        (
            "color_clock: {period: 99ms}",
            "color_clock.period: found \"99ms\", expected a duration from 100ms to 3600s, for example 500ms or 10s"
        ),
        (
            "color_clock: {}",
            "color_clock.period: found nothing, expected a duration from 100ms to 3600s, for example 500ms or 10s"
        ),
        (
            "color_clock: {periode: 1s, period: 1s}",
            "color_clock.periode: found an unknown key, expected period, or another of period"
        ),
        (
            "flows: [{direction: egress}]",
            "flows[0].segments: found nothing, expected a list of IPv6 addresses in travel order"
        ),
        ("flows: [{segments: [fcff::1]}]", "flows[0].direction: found nothing, expected ingress or egress"),
        (
            "flows: [{segments: [fcff::1], direction: in}]",
            "flows[0].direction: found \"in\", expected ingress or egress"
        ),
        (
            "flows: [{segments: [fcff::1, 10.0.0.1], direction: egress}]",
            "flows[0].segments[1]: found \"10.0.0.1\", expected an IPv6 address"
        ),
        ("flows: [{segments: [], direction: egress}]", "flows[0].segments: found 0 segments, expected 1 to 16"),
        (
            "flows: [{segments: fcff::1, direction: egress}]",
            "flows[0].segments: found \"fcff::1\", expected a list"
        ),
        (
            "flows: [{segments: [fcff::1], direction: egress, mode: red}]",
            "flows[0].mode: found \"red\", expected encap or encap.red"
        ),
        (
            "flows: [{segments: [fcff::1], direction: egress, mode: l2encap}]",
            "flows[0].mode: found \"l2encap\", expected encap or encap.red"
        ),
        (
            "flows: [{segments: [fcff::1], direction: egress}, {segments: ['fcff:0::1'], direction: egress, mode: encap}]",
            "flows[1]: found egress fcff::1 encap, expected another flow than flows[0]"
        ),
        (
            "flow: []",
            "flow: found an unknown key, expected flows, or another of backend, socket, log_level, dataplane, ports, marking, color_clock, flows"
        ),
        (
            "zebra: 1",
            "zebra: found an unknown key, expected one of backend, socket, log_level, dataplane, ports, marking, color_clock, flows"
        ),
    ])
    func oneFaultIsOneError(line: String, error: String) {
        #expect(errors(with: line) == [error])
    }

    @Test(arguments: [
        ("socket: /x", "ports: found nothing, expected a list of at least one port"),
        ("ports: []", "ports: found an empty list, expected at least one port"),
        ("ports: r1-r2", "ports: found \"r1-r2\", expected a list"),
        ("ports: [r1-r2]", "ports[0]: found \"r1-r2\", expected a mapping"),
        (
            "ports: [{polling: interrupt}]",
            "ports[0].name: found nothing, expected the name of an interface, 1 to 15 characters"
        ),
        ("ports: [{name: a/b}]", "ports[0].name: found \"a/b\", expected the name of an interface, 1 to 15 characters"),
        ("ports: [{name: a, polling: fast}]", "ports[0].polling: found \"fast\", expected interrupt or busy-poll"),
        ("ports: [{name: a, zero_copy: on}]", "ports[0].zero_copy: found \"on\", expected auto or off"),
        (
            "ports: [{name: a}, {name: b}, {name: a}]",
            "ports[2].name: found \"a\", expected another name than that of ports[0]"
        ),
        ("", "configuration: found nothing, expected a mapping"),
        ("- ports", "configuration: found a list, expected a mapping"),
        ("ports: [", "line 2, column 1: found did not find expected node content, expected YAML"),
        ("ports: [{name: a}]\nsocket: /a\nsocket: /b", "line 2: found socket more than once, expected each key once"),
    ])
    func filesWithoutGoodPortsAreRefused(yaml: String, error: String) {
        #expect(errors(yaml) == [error])
    }

    @Test func allErrorsAreReported() {
        #expect(
            errors(
                """
                ports: [{name: a, polling: x}, {name: a}]
                dataplane: {workers: 0, burst: 0}
                color_clock: {period: x}
                """
            ).count == 5)
    }
}
