// SPDX-License-Identifier: Apache-2.0
import Glibc
import SRv6
import Synchronization

/// Owner of everything that a run makes outside its own process: namespaces, processes, files. All of it goes with
/// `close`, which also runs on Ctrl-C when `closeOnSignals` was called, and what a killed run could not take with it
/// goes when the next laboratory is made.
public final class Laboratory: Sendable {
    private struct Contents {
        var isClosed = false
        var namespaces: [Namespace] = []
        var children: [Child] = []
    }

    /// `srv6pm-<pid>-<number>`: what the names of its namespaces begin with.
    public let name: String
    /// A directory of its own for sockets, configurations and logs.
    public let directory: String
    private let contents = Mutex(Contents())

    private static let opened = Mutex<(number: Int, all: [Laboratory])>((0, []))

    /// *Throws*: `LabError.missing` without root, `LabError.system` when the directory cannot be made.
    public init() throws(LabError) {
        guard geteuid() == 0 else { throw .missing("network namespaces need root") }
        Self.sweep()
        let number = Self.opened.withLock { opened in
            opened.number += 1
            return opened.number
        }
        name = "srv6pm-\(getpid())-\(number)"
        directory = "/tmp/\(name)"
        guard unsafe mkdir(directory, 0o700) == 0 else {
            throw .system(SystemError("make the directory \(directory)", code: errno))
        }
        Self.opened.withLock { $0.all.append(self) }
    }

    /// Makes a network namespace with its loopback device up.
    public func namespace(_ name: String) throws(LabError) -> Namespace {
        let namespace = Namespace(name: "\(self.name)-\(name)", node: name)
        // Made under the lock: a laboratory that is closed meanwhile knows of it.
        try contents.withLock { contents throws(LabError) in
            if contents.isClosed { throw .closed }
            contents.namespaces.append(namespace)
            try check(["ip", "netns", "add", namespace.name])
        }
        try namespace.prepare()
        return namespace
    }

    /// Starts a process in a namespace, its output to a log in the directory. It ends with the laboratory.
    public func start(_ arguments: [String], as name: String, in namespace: Namespace) throws(LabError) -> Child {
        var path = "\(directory)/\(name).log"
        var count = 1
        while exists(path) {
            count += 1
            path = "\(directory)/\(name)-\(count).log"
        }
        let log = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard log >= 0, null >= 0 else { throw .system(SystemError("open \(path)", code: errno)) }
        defer {
            Glibc.close(log)
            Glibc.close(null)
        }
        // `ip netns exec` becomes the program, so the id is the program's.
        let full = namespace.entering(arguments)
        return try contents.withLock { contents throws(LabError) in
            if contents.isClosed { throw .closed }
            let pid = try spawn(full, input: null, output: log, errorOutput: log)
            let child = Child(name: name, pid: pid, log: path)
            contents.children.append(child)
            return child
        }
    }

    /// Writes a file into the directory. *Returns*: its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws(LabError) -> String {
        let path = "\(directory)/\(name)"
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(SystemError("write \(path)", code: errno)) }
        defer { Glibc.close(descriptor) }
        let octets = Array(text.utf8)
        let written = unsafe octets.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard written == octets.count else { throw .system(SystemError("write \(path)", code: errno)) }
        return path
    }

    /// Takes everything down: processes first, in reverse order, then namespaces, then files. The second time it only
    /// waits for the first.
    public func close() {
        contents.withLock { contents in
            if contents.isClosed { return }
            contents.isClosed = true
            for child in contents.children.reversed() { child.signal(SIGTERM) }
            for child in contents.children.reversed() { child.terminate() }
            for namespace in contents.namespaces.reversed() { Self.remove(namespace: namespace.name) }
            Self.remove(directory: directory)
        }
        Self.opened.withLock { opened in opened.all.removeAll { $0 === self } }
    }

    /// From here on SIGINT, SIGTERM and SIGHUP take all laboratories of the process down before they end it.
    ///
    /// *Requires*: called before the process has other threads, because they inherit the signal mask.
    public static func closeOnSignals() {
        // Whoever reads the output may go (`| head`): the rest is done in silence, and taken down.
        signal(SIGPIPE, SIG_IGN)
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&signals, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
        startThread { [waited = signals] in
            var signals = waited
            var number: Int32 = 0
            unsafe sigwait(&signals, &number)
            interruption.withLock { _ in
                announce("\nInterrupted: taking everything down.")
                for laboratory in opened.withLock({ $0.all }) { laboratory.close() }
                _exit(128 + number)
            }
        }
    }

    /// Ends the process after `body`, unless a signal is ending it already: what fails because of that is no news.
    public static func exit(_ body: () -> Int32) -> Never {
        interruption.withLock { _ in Glibc.exit(body()) }
    }

    private static let interruption = Mutex<Void>(())

    // MARK: Leftovers

    /// Removes what earlier runs have left whose process is gone.
    static func sweep() {
        for name in entries(of: "/run/netns") where isAbandoned(name) { remove(namespace: name) }
        for name in entries(of: "/tmp") where isAbandoned(name) { remove(directory: "/tmp/\(name)") }
    }

    /// Whether a name is a laboratory's and its process does not live.
    static func isAbandoned(_ name: String) -> Bool {
        let parts = name.split(separator: "-")
        guard parts.count >= 3, parts[0] == "srv6pm", let pid = pid_t(parts[1]), pid > 0 else { return false }
        return Glibc.kill(pid, 0) != 0 && errno == ESRCH
    }

    /// Ends what still runs in a namespace of ours and deletes it.
    private static func remove(namespace name: String) {
        let inside = (try? run(["ip", "netns", "pids", name]).output) ?? ""
        for pid in inside.split(whereSeparator: \.isWhitespace).compactMap({ pid_t($0) }) { Glibc.kill(pid, SIGKILL) }
        _ = try? run(["ip", "netns", "delete", name])
    }

    private static func remove(directory: String) {
        for name in entries(of: directory) { unsafe unlink("\(directory)/\(name)") }
        unsafe rmdir(directory)
    }
}

/// Names in a directory, empty when there is none.
func entries(of directory: String) -> [String] {
    guard let stream = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { raw in
            unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}
