// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6

/// The way to the kernel: a TUN device whose packets the kernel routes like any others, one queue for each worker.
@safe
final class PuntDevice: @unchecked Sendable {
    let name: String
    /// One for each worker.
    let descriptors: [Int32]

    /// Makes the device and brings it up, with forwarding and SRv6 on and the reverse-path filter off.
    init(name: String, queueCount: Int, report: Dataplane.Report) throws(SystemError) {
        self.name = name
        // The stricter of this and the device's own value is in force.
        if KernelSetting.read("net/ipv4/conf/all/rp_filter") == "1" {
            report(
                "net.ipv4.conf.all.rp_filter is 1: the kernel will drop IPv4 packets that \(name) hands to it; use 0 or 2"
            )
        }
        var opened: [Int32] = []
        do {
            for queue in 0..<queueCount { opened.append(try Self.open(name, isFirst: queue == 0)) }
            try Self.configure(name)
        } catch {
            for descriptor in opened { close(descriptor) }
            throw error
        }
        descriptors = opened
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    /// Opens a queue. The first makes the device, which nobody else may have.
    private static func open(_ name: String, isFirst: Bool) throws(SystemError) -> Int32 {
        let descriptor = unsafe Glibc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("open /dev/net/tun", code: errno) }
        var request = unsafe Interface.request(name)
        let exclusive = isFirst ? IFF_TUN_EXCL : 0
        unsafe request.ifr_ifru.ifru_flags = Int16(
            truncatingIfNeeded: IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | exclusive)
        // TUNSETIFF
        guard unsafe ioctl(descriptor, UInt(0x4004_54ca), &request) == 0 else {
            let code = errno
            close(descriptor)
            throw SystemError("make the TUN device \(name)", code: code)
        }
        return descriptor
    }

    private static func configure(_ name: String) throws(SystemError) {
        for setting in [
            "ipv6/conf/\(name)/seg6_enabled": "1", "ipv6/conf/\(name)/forwarding": "1",
            "ipv6/conf/\(name)/accept_ra": "0", "ipv6/conf/\(name)/addr_gen_mode": "1",
            "ipv4/conf/\(name)/rp_filter": "0", "ipv4/conf/\(name)/forwarding": "1",
        ] {
            try KernelSetting.write(setting.value, to: "net/" + setting.key)
        }
        let control = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard control >= 0 else { throw SystemError("open a control socket", code: errno) }
        defer { close(control) }
        var request = unsafe Interface.request(name)
        // Packets are handed over as they came, so the device takes the largest there are.
        unsafe request.ifr_ifru.ifru_mtu = Int32(Umem.packetCapacity)
        guard unsafe ioctl(control, UInt(SIOCSIFMTU), &request) == 0 else {
            throw SystemError("set the MTU of \(name)", code: errno)
        }
        unsafe request.ifr_ifru.ifru_flags = Int16(IFF_UP | IFF_RUNNING)
        guard unsafe ioctl(control, UInt(SIOCSIFFLAGS), &request) == 0 else {
            throw SystemError("bring up \(name)", code: errno)
        }
    }
}

/// A token bucket that one worker draws from.
struct TokenBucket {
    private let rate: UInt64
    private let capacity: UInt64
    private var tokens: UInt64
    private var filledAt: UInt64 = 0

    /// - Parameter rate: tokens per second; a tenth of a second's worth may be saved up.
    init(rate: Int) {
        self.rate = UInt64(rate)
        capacity = max(1, UInt64(rate) / 10)
        tokens = capacity
    }

    /// Adds what has accrued. - Parameter now: nanoseconds of a clock that does not go back.
    mutating func fill(now: UInt64) {
        guard filledAt != 0 else {
            filledAt = now
            return
        }
        let elapsed = min(now &- filledAt, 1_000_000_000)
        let added = elapsed &* rate / 1_000_000_000
        guard added > 0 else { return }
        tokens = min(capacity, tokens + added)
        filledAt = now
    }

    /// Takes one token. *Returns*: false when there is none.
    mutating func take() -> Bool {
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }
}
