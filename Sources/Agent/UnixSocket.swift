// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6

/// What the daemon and its clients need to know about Unix sockets beyond what gRPC's transport does.
package enum UnixSocket {
    /// What stands at a path.
    package enum Occupant: Hashable, Sendable {
        case nothing
        /// A socket on which somebody answers.
        case listener
        /// A socket that nobody listens on any more.
        case stale
        case otherFile
        /// `connect` failed for another reason.
        case unreachable(code: Int32)
    }

    package static func occupant(of path: String) -> Occupant {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            return errno == ENOENT ? .nothing : .unreachable(code: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return .otherFile }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return .unreachable(code: errno) }
        defer { close(descriptor) }
        let result = unsafe withAddress(path) { unsafe connect(descriptor, $0, $1) }
        // EAGAIN: somebody listens, and has not taken those who came before.
        if result == 0 || errno == EAGAIN { return .listener }
        return errno == ECONNREFUSED ? .stale : .unreachable(code: errno)
    }

    /// Makes room for a socket: creates its directory, removes what a daemon left that was killed.
    package static func prepare(_ path: String) throws(SystemError) {
        let directory = path.split(separator: "/").dropLast()
        var parent = ""
        for part in directory {
            parent += "/\(part)"
            if unsafe mkdir(parent, 0o755) == 0 {
                // Whatever the umask: other users are to be told that they may not, not that it is not there.
                guard unsafe chmod(parent, 0o755) == 0 else { throw SystemError("open \(parent)", code: errno) }
            } else if errno != EEXIST {
                throw SystemError("create the directory \(parent)", code: errno)
            }
        }
        switch occupant(of: path) {
        case .nothing: break
        case .stale:
            guard unsafe unlink(path) == 0 else { throw SystemError("remove the stale socket \(path)", code: errno) }
        case .listener: throw SystemError("listen on \(path), where another daemon answers", code: EADDRINUSE)
        case .otherFile: throw SystemError("listen on \(path), which is not a socket", code: EEXIST)
        case .unreachable(let code): throw SystemError("listen on \(path)", code: code)
        }
    }

    /// Tells the service manager how things stand, when there is one that wants to know (`sd_notify(3)`).
    package static func notify(_ state: String) throws(SystemError) {
        guard let variable = unsafe getenv("NOTIFY_SOCKET") else { return }
        let path = unsafe String(cString: variable)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("open a socket to the service manager", code: errno) }
        defer { close(descriptor) }
        let octets = Array(state.utf8)
        let sent = unsafe withAddress(path) { address, length in
            unsafe octets.withUnsafeBytes { unsafe sendto(descriptor, $0.baseAddress, $0.count, 0, address, length) }
        }
        guard sent == octets.count else { throw SystemError("notify the service manager at \(path)", code: errno) }
    }

    /// *Requires*: a path of at most 107 octets; longer ones are cut and do not exist.
    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8.prefix(107))
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: octets) }
        // A name that begins with @ is abstract: its first octet is zero and its length counts.
        let isAbstract = octets.first == UInt8(ascii: "@")
        if isAbstract { address.sun_path.0 = 0 }
        let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        let length = socklen_t(offset + octets.count + (isAbstract ? 0 : 1))
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
    }
}
