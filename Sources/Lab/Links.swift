// SPDX-License-Identifier: Apache-2.0
import SRv6

/// One end of a link.
public struct Port: Hashable, Sendable {
    public var namespace: Namespace
    public var device: String

    public init(_ namespace: Namespace, _ device: String) {
        self.namespace = namespace
        self.device = device
    }
}

/// Joins two nodes with a veth pair, up, every offload off: what the nodes see is what a wire would carry.
///
/// *Requires*: device names of at most 15 octets.
public func connect(_ left: Port, _ right: Port, queues: Int = 1, mtu: Int = 1500) throws(LabError) {
    let shape = "numrxqueues \(queues) numtxqueues \(queues)"
    try left.namespace.ip(
        "link add \(left.device) \(shape) type veth peer name \(right.device) \(shape) netns \(right.namespace.name)")
    for port in [left, right] {
        try port.namespace.check([
            "ethtool", "-K", port.device, "gro", "off", "gso", "off", "tso", "off", "tx", "off", "rx", "off",
        ])
        try port.namespace.ip("link set \(port.device) mtu \(mtu) up")
    }
}
