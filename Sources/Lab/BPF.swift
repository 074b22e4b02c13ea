// SPDX-License-Identifier: Apache-2.0
import CXDP
import Glibc
import SRv6

/// Directories in which compiled BPF objects may lie, in order.
private func bpfDirectories() -> [String] {
    if let given = unsafe getenv("SRV6PM_BPF_DIR") { return [unsafe String(cString: given)] }
    return programDirectories().flatMap { ["\($0)/bpf", "\($0)/../lib/srv6pm/bpf"] }
}

/// Directories in which the project's programs may lie, in order: that of the running executable first. A test runs
/// inside a bundle, or inside a runner elsewhere that was given the bundle; the programs are built in `.build/release`
/// of a directory above it.
func programDirectories() -> [String] {
    var directories: [String] = []
    if let given = unsafe getenv("SRV6PM_BIN") { directories.append(unsafe String(cString: given)) }
    for path in [executablePath()] + CommandLine.arguments {
        var rest = path[...]
        while let slash = rest.lastIndex(of: "/") {
            rest = rest[..<slash]
            directories += [String(rest), "\(rest)/.build/release"]
        }
    }
    return directories
}

/// The path of a compiled BPF object: in `SRV6PM_BPF_DIR`, or `bpf` beside the programs, or
/// `../lib/srv6pm/bpf`.
public func bpfObject(_ name: String) throws(LabError) -> String {
    let candidates = bpfDirectories().map { "\($0)/\(name).bpf.o" }
    for path in candidates where unsafe access(path, R_OK) == 0 { return path }
    throw .missing("\(name).bpf.o is neither beside the program nor in ../lib/srv6pm/bpf; tools/build makes it")
}

/// The path of the running executable.
func executablePath() -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe readlink("/proc/self/exe", &path, path.count)
    return String(decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// A loaded BPF object with one program. It is unloaded with this value, unless attached to something that lives on.
@safe struct BPFObject: ~Copyable {
    private let object: OpaquePointer
    let program: Int32
    private let name: String

    /// Loads `name` and looks its program up.
    init(_ name: String, program programName: String) throws(LabError) {
        // What libbpf has to say arrives as an error number; its own words would tear the laboratory's output.
        unsafe libbpf_set_print(nil)
        let path = try bpfObject(name)
        guard let object = unsafe bpf_object__open_file(path, nil) else {
            throw .system(SystemError("open \(path)", code: errno))
        }
        let code = unsafe bpf_object__load(object)
        let program = unsafe bpf_object__find_program_by_name(object, programName)
        guard code == 0, let program = unsafe program else {
            unsafe bpf_object__close(object)
            throw .system(SystemError("load \(path)", code: code == 0 ? ENOENT : -code))
        }
        unsafe self.object = object
        self.program = unsafe bpf_program__fd(program)
        self.name = name
    }

    deinit { unsafe bpf_object__close(object) }

    /// Descriptor of a map.
    func map(_ name: String) throws(LabError) -> Int32 {
        let descriptor = unsafe bpf_object__find_map_fd_by_name(object, name)
        guard descriptor >= 0 else {
            throw .system(SystemError("find the map \(name) of \(self.name)", code: -descriptor))
        }
        return descriptor
    }
}

/// Stores a value in a map.
func storeInMap<Key: BitwiseCopyable, Value: BitwiseCopyable>(_ map: Int32, key: Key, value: Value, flags: UInt64 = 0)
    throws(LabError)
{
    var key = key
    var value = value
    let code = unsafe bpf_map_update_elem(map, &key, &value, flags)
    guard code == 0 else { throw .system(SystemError("store into a BPF map", code: errno)) }
}

/// Loads a value from a map into `value`.
func loadFromMap<Key: BitwiseCopyable, Value: BitwiseCopyable>(
    _ map: Int32, key: Key, into value: inout Value, flags: UInt64 = 0
) throws(LabError) {
    var key = key
    let code = unsafe bpf_map_lookup_elem_flags(map, &key, &value, flags)
    guard code == 0 else { throw .system(SystemError("load from a BPF map", code: errno)) }
}
