// SPDX-License-Identifier: Apache-2.0
import CLab
import Glibc
import SRv6

/// What a command said and how it ended.
public struct CommandResult: Hashable, Sendable {
    /// The exit status, or 128 and the number of the signal that ended it.
    public var status: Int32
    public var output: String
    public var errorOutput: String
}

/// A file that lives as long as its descriptor.
struct ScratchFile: ~Copyable {
    let descriptor: Int32

    init() throws(LabError) {
        descriptor = unsafe clab_scratch_file("/tmp")
        guard descriptor >= 0 else { throw .system(SystemError("open a scratch file in /tmp", code: errno)) }
    }

    deinit { close(descriptor) }

    func text() -> String { readText(descriptor) }
}

/// Everything from the beginning of a file, octets that are not UTF-8 replaced.
func readText(_ descriptor: Int32) -> String {
    var octets: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = unsafe chunk.withUnsafeMutableBytes {
            unsafe pread(descriptor, $0.baseAddress, $0.count, octets.count)
        }
        guard count > 0 else { break }
        octets += chunk[..<count]
    }
    return String(decoding: octets, as: UTF8.self)
}

/// Whether there is something at a path.
public func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

/// Octets of a file, nil when there is none.
public func fileSize(_ path: String) -> Int? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? Int(status.st_size) : nil
}

/// The text of a file, nil when it cannot be opened.
public func contents(of path: String) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return readText(descriptor)
}

/// Starts a process in a process group of its own, so that a Ctrl-C reaches the laboratory alone, which then ends
/// its processes in order.
///
/// *Returns*: the process's id. *Throws*: `LabError.system` when the program cannot be started.
func spawn(_ arguments: [String], input: Int32, output: Int32, errorOutput: Int32) throws(LabError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in [input, output, errorOutput].enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var vector: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe vector.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let code = unsafe posix_spawnp(&pid, arguments[0], &actions, &attributes, &vector, environ)
    guard code == 0 else { throw .system(SystemError("start \(arguments[0])", code: code)) }
    return pid
}

/// Runs a command to its end.
///
/// *Throws*: `LabError.timeout` when it does not end within `limit`; it is killed then.
public func run(_ arguments: [String], input: String = "", upTo limit: Duration = .seconds(30)) throws(LabError)
    -> CommandResult
{
    let given = try ScratchFile()
    let output = try ScratchFile()
    let errorOutput = try ScratchFile()
    let octets = Array(input.utf8)
    unsafe octets.withUnsafeBytes { _ = unsafe write(given.descriptor, $0.baseAddress, $0.count) }
    lseek(given.descriptor, 0, SEEK_SET)
    let process = Child(
        name: arguments.joined(separator: " "),
        pid: try spawn(
            arguments, input: given.descriptor, output: output.descriptor, errorOutput: errorOutput.descriptor))
    do {
        try wait(for: "`\(process.name)` to end", upTo: limit, every: .milliseconds(2)) { () throws(LabError) in
            process.status != nil
        }
    } catch {
        process.kill()
        throw error
    }
    return CommandResult(status: process.status ?? -1, output: output.text(), errorOutput: errorOutput.text())
}

/// Runs a command that has to succeed.
///
/// *Returns*: what it wrote to its standard output. *Throws*: `LabError.command` with all its words otherwise.
@discardableResult
public func check(_ arguments: [String], input: String = "", upTo limit: Duration = .seconds(30)) throws(LabError)
    -> String
{
    let result = try run(arguments, input: input, upTo: limit)
    guard result.status == 0 else {
        throw .command(
            arguments.joined(separator: " "), status: result.status, output: result.errorOutput + result.output)
    }
    return result.output
}
