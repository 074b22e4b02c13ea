// SPDX-License-Identifier: Apache-2.0
import CLab
import Glibc
import SRv6

/// Sends frames as they are, from the Ethernet header on, however broken they may be.
public final class RawSocket: Sendable {
    private let descriptor: Int32

    public init(on port: Port) throws(LabError) {
        let device = port.device
        descriptor = try port.namespace.perform { () throws(LabError) in
            // Protocol 0: it sends, and is given nothing.
            let descriptor = socket(AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_ll()
            address.sll_family = UInt16(AF_PACKET)
            address.sll_ifindex = unsafe Int32(bitPattern: if_nametoindex(device))
            let code = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
            guard descriptor >= 0, code == 0 else {
                throw .system(SystemError("open a packet socket on \(device)", code: errno))
            }
            return descriptor
        }
    }

    deinit { close(descriptor) }

    /// Sends a frame. *Returns*: whether the device took it; too short and too long ones it does not.
    @discardableResult
    public func send(_ frame: [UInt8]) -> Bool {
        unsafe frame.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, 0) } == frame.count
    }
}
