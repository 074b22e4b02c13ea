// SPDX-License-Identifier: Apache-2.0
import CBPFABI
import CXDP
import Glibc
import SRv6
import Wire

/// The XDP program of one port: loaded, told its sockets, attached by a link that ends with the process.
@safe
final class RedirectProgram {
    let interface: String
    private let object: OpaquePointer
    private var link: OpaquePointer?
    private let sockets: Int32
    private let port: Int32
    /// The map of addresses that the kernel keeps to itself.
    let localAddresses: Int32

    /// Loads the program. - Parameter sharing: another port's program, whose address map is used here too.
    init(path: String, interface: String, sharing other: RedirectProgram?) throws(SystemError) {
        self.interface = interface
        guard let object = unsafe bpf_object__open_file(path, nil) else {
            throw SystemError("open the BPF object \(path)", code: errno)
        }
        unsafe self.object = object
        func map(_ name: String) -> OpaquePointer? { unsafe bpf_object__find_map_by_name(object, name) }
        guard let addresses = unsafe map("local_addresses") else {
            unsafe bpf_object__close(object)
            throw SystemError("find the map local_addresses in \(path)", code: ENOENT)
        }
        var result: Int32 = 0
        if let other { result = unsafe bpf_map__reuse_fd(addresses, other.localAddresses) }
        if result == 0 { result = unsafe bpf_object__load(object) }
        guard result == 0 else {
            unsafe bpf_object__close(object)
            throw SystemError("load the XDP program for \(interface)", code: -result)
        }
        localAddresses = unsafe bpf_map__fd(addresses)
        sockets = unsafe map("xsks").map { unsafe bpf_map__fd($0) } ?? -1
        port = unsafe map("port").map { unsafe bpf_map__fd($0) } ?? -1
    }

    deinit {
        detach()
        unsafe bpf_object__close(object)
    }

    /// Sends the packets of a queue to a socket.
    func setSocket(_ descriptor: Int32, queue: Int) throws(SystemError) {
        var key = UInt32(queue)
        var value = descriptor
        guard unsafe bpf_map_update_elem(sockets, &key, &value, UInt64(BPF_ANY)) == 0 else {
            throw SystemError("put the socket of \(interface) queue \(queue) into its map", code: errno)
        }
    }

    /// Tells the program the port's MAC address; packets to others are the kernel's.
    func setMAC(_ mac: MACAddress) {
        var key: UInt32 = 0
        var value = xsk_redirect_port()
        unsafe withUnsafeMutableBytes(of: &value.mac) { octets in
            for index in 0..<6 { unsafe octets[index] = UInt8(truncatingIfNeeded: mac.value >> UInt64(40 - 8 * index)) }
        }
        value.active = 1
        _ = unsafe bpf_map_update_elem(port, &key, &value, UInt64(BPF_ANY))
    }

    /// Attaches to the interface, in the driver's own mode where it has one.
    func attach(index: Int) throws(SystemError) {
        guard let program = unsafe bpf_object__find_program_by_name(object, "srv6pm_redirect") else {
            throw SystemError("find the program srv6pm_redirect", code: ENOENT)
        }
        guard let attached = unsafe bpf_program__attach_xdp(program, Int32(index)) else {
            let code = errno
            let hint = code == EBUSY ? " (another XDP program is attached there)" : ""
            throw SystemError("attach the XDP program to \(interface)\(hint)", code: code)
        }
        unsafe link = attached
    }

    /// Takes the program off: from here on the kernel has the port's packets.
    func detach() {
        if let attached = unsafe link { _ = unsafe bpf_link__destroy(attached) }
        unsafe link = nil
    }

    /// Adds or removes an address that the kernel keeps to itself.
    func setLocal(_ address: IPv6Address, _ isLocal: Bool) {
        var key = xsk_redirect_address()
        unsafe withUnsafeMutableBytes(of: &key.octets) { octets in
            for index in 0..<8 {
                unsafe octets[index] = UInt8(truncatingIfNeeded: address.high >> UInt64(56 - 8 * index))
                unsafe octets[8 + index] = UInt8(truncatingIfNeeded: address.low >> UInt64(56 - 8 * index))
            }
        }
        var value: UInt8 = 1
        if isLocal {
            _ = unsafe bpf_map_update_elem(localAddresses, &key, &value, UInt64(BPF_ANY))
        } else {
            _ = unsafe bpf_map_delete_elem(localAddresses, &key)
        }
    }

    /// Where the compiled object lies: the configured directory, or else `SRV6PM_BPF_DIR`, `bpf` beside the executable,
    /// or `../lib/srv6pm/bpf` from there.
    static func objectPath(directory: String?) throws(SystemError) -> String {
        let name = "xsk_redirect.bpf.o"
        if let directory {
            guard unsafe access(directory + "/" + name, R_OK) == 0 else {
                throw SystemError("read \(name) in \(directory)", code: errno)
            }
            return directory + "/" + name
        }
        var candidates: [String] = []
        if let variable = unsafe getenv("SRV6PM_BPF_DIR") { candidates.append(unsafe String(cString: variable)) }
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe buffer.withUnsafeMutableBytes { raw in
            guard let base = raw.baseAddress else { return 0 }
            return unsafe readlink("/proc/self/exe", base.assumingMemoryBound(to: CChar.self), raw.count)
        }
        if length > 0 {
            let executable = String(decoding: buffer[..<length], as: UTF8.self)
            let folder = executable.split(separator: "/").dropLast().map { "/" + $0 }.joined()
            candidates += [folder + "/bpf", folder + "/../lib/srv6pm/bpf"]
        }
        for candidate in candidates where unsafe access(candidate + "/" + name, R_OK) == 0 {
            return candidate + "/" + name
        }
        throw SystemError("find \(name) in \(candidates.joined(separator: ", "))", code: ENOENT)
    }
}

/// Facts about interfaces that rtnetlink does not tell.
enum Interface {
    /// An ioctl's request about an interface, with nothing but the name in it.
    static func request(_ name: String) -> ifreq {
        var request = unsafe ifreq()
        unsafe withUnsafeMutableBytes(of: &request.ifr_ifrn.ifrn_name) { buffer in
            for (index, octet) in name.utf8.prefix(Int(IFNAMSIZ) - 1).enumerated() { unsafe buffer[index] = octet }
        }
        return unsafe request
    }

    /// Receive queues of an interface, 1 where the driver does not say.
    static func receiveQueueCount(_ name: String) -> Int {
        let control = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard control >= 0 else { return 1 }
        defer { close(control) }
        var channels = ethtool_channels()
        channels.cmd = UInt32(ETHTOOL_GCHANNELS)
        var request = unsafe Self.request(name)
        let result = unsafe withUnsafeMutablePointer(to: &channels) { pointer in
            unsafe request.ifr_ifru.ifru_data = unsafe UnsafeMutableRawPointer(pointer).assumingMemoryBound(
                to: CChar.self)
            return unsafe ioctl(control, UInt(SIOCETHTOOL), &request)
        }
        guard result == 0 else { return 1 }
        return max(1, Int(max(channels.combined_count, channels.rx_count)))
    }
}
