// SPDX-License-Identifier: Apache-2.0
import CLab
import Glibc
import SRv6
import Synchronization
import Wire

/// A network namespace: one node of a network in the laboratory.
public struct Namespace: Hashable, Sendable {
    /// As `ip netns` knows it.
    public let name: String
    /// What the node is called in its network, for example `r1`.
    public let node: String

    /// A command line that runs `arguments` inside.
    public func entering(_ arguments: [String]) -> [String] { ["ip", "netns", "exec", name] + arguments }

    /// Runs a command inside that has to succeed. *Returns*: its output.
    @discardableResult
    public func check(_ arguments: [String], input: String = "", upTo limit: Duration = .seconds(30)) throws(LabError)
        -> String
    {
        try Lab.check(entering(arguments), input: input, upTo: limit)
    }

    /// Runs a command inside.
    public func run(_ arguments: [String], upTo limit: Duration = .seconds(30)) throws(LabError) -> CommandResult {
        try Lab.run(entering(arguments), upTo: limit)
    }

    /// Gives lines to `ip -batch`, for example `route add fd00::/64 via fcf0::1`.
    public func ip(_ lines: String...) throws(LabError) { try ip(lines) }

    /// Gives lines to `ip -batch`.
    public func ip(_ lines: [String]) throws(LabError) {
        let batch = lines.joined(separator: "\n") + "\n"
        do {
            try Lab.check(["ip", "-netns", name, "-batch", "-"], input: batch)
        } catch .command(_, let status, let output) {
            throw .command("ip -batch on \(node)", status: status, output: output + "The lines were:\n" + batch)
        }
    }

    /// Sets kernel parameters, for example `net.ipv6.conf.all.forwarding=1`.
    public func sysctl(_ settings: String...) throws(LabError) { try check(["sysctl", "-qw"] + settings) }

    /// Loopback up; addresses usable at once, without duplicate address detection; no automatic addresses.
    func prepare() throws(LabError) {
        try ip("link set lo up")
        try sysctl(
            "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.router_solicitations=0")
    }

    /// Makes the node forward, and lets it take part in SRv6. Devices made later inherit it.
    public func becomeRouter() throws(LabError) {
        try sysctl(
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.forwarding=1",
            "net.ipv6.conf.all.seg6_enabled=1", "net.ipv6.conf.default.seg6_enabled=1",
            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
    }

    /// Index of a device.
    public func index(of device: String) throws(LabError) -> Int {
        try perform { () throws(LabError) in
            let index = unsafe if_nametoindex(device)
            guard index > 0 else { throw .system(SystemError("find the device \(device)", code: errno)) }
            return Int(index)
        }
    }

    /// Ethernet address of a device.
    public func mac(of device: String) throws(LabError) -> MACAddress {
        let text = try check(["cat", "/sys/class/net/\(device)/address"])
        guard let mac = MACAddress(text.trimmed) else { throw .missing("\(device) has no Ethernet address") }
        return mac
    }

    /// A counter of a device, for example `rx_dropped`.
    public func statistic(_ name: String, of device: String) throws(LabError) -> UInt64 {
        UInt64(try check(["cat", "/sys/class/net/\(device)/statistics/\(name)"]).trimmed) ?? 0
    }

    /// Runs `body` on a thread inside the namespace. The thread ends with it: no other code ever runs there.
    public func perform<Value: Sendable>(_ body: @escaping @Sendable () throws(LabError) -> Value) throws(LabError)
        -> Value
    {
        let slot = Slot<Value>()
        let name = name
        let thread = startThread {
            let path = "/run/netns/\(name)"
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            defer { close(descriptor) }
            guard descriptor >= 0, clab_enter_network(descriptor) == 0 else {
                let error = SystemError("enter the namespace \(name)", code: errno)
                slot.value.withLock { $0 = .failure(.system(error)) }
                return
            }
            do throws(LabError) {
                let value = try body()
                slot.value.withLock { $0 = .success(value) }
            } catch {
                slot.value.withLock { $0 = .failure(error) }
            }
        }
        pthread_join(thread, nil)
        guard let result = slot.value.withLock({ $0 }) else { throw .closed }
        return try result.get()
    }
}

/// Where a thread leaves its result.
private final class Slot<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, LabError>?>(nil)
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
