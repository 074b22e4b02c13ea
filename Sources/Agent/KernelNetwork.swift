// SPDX-License-Identifier: Apache-2.0
import SRv6

/// The kernel's network state by way of the room `Netlink`.
func kernelNetwork() throws(SystemError) -> any NetworkSource { NoNetwork() }

/// A kernel that holds nothing.
private struct NoNetwork: NetworkSource {
    func start(deliver: @escaping @Sendable ([NetworkChange]) -> Void) throws(SystemError) {}
    func stop() {}
}
