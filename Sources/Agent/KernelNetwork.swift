// SPDX-License-Identifier: Apache-2.0
import Netlink
import SRv6

/// The kernel's network state by way of the room `Netlink`.
func kernelNetwork() throws(SystemError) -> any NetworkSource { try NetworkMirror() }

extension NetworkMirror: NetworkSource {}
