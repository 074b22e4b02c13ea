// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6

/// Kernel parameters (sysctl) of the network namespace that the process is in.
enum KernelSetting {
    /// The value at a path below `/proc/sys`, up to the first white space; nil when it cannot be read.
    static func read(_ name: String) -> String? {
        let descriptor = unsafe open("/proc/sys/" + name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return String(decoding: buffer[..<count].prefix { $0 > 32 }, as: UTF8.self)
    }

    static func write(_ value: String, to name: String) throws(SystemError) {
        let descriptor = unsafe open("/proc/sys/" + name, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("open /proc/sys/\(name)", code: errno) }
        defer { close(descriptor) }
        let text = Array(value.utf8)
        guard unsafe Glibc.write(descriptor, text, text.count) == text.count else {
            throw SystemError("write \(value) to /proc/sys/\(name)", code: errno)
        }
    }
}
