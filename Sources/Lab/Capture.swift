// SPDX-License-Identifier: Apache-2.0
import SRv6

/// tcpdump on a device.
///
/// What an AF_XDP socket sends passes by every tap of the sending device: capture on the other end of the link.
public struct Capture: Sendable {
    /// The file it writes.
    public let path: String
    private let process: Child

    /// Returns once packets are captured.
    ///
    /// - Parameter filter: in tcpdump's language, empty for everything.
    public init(on port: Port, filter: String = "", in laboratory: Laboratory) throws(LabError) {
        path = "\(laboratory.directory)/\(port.device).pcap"
        let process = try laboratory.start(
            [
                "tcpdump", "-Z", "root", "-n", "-U", "--immediate-mode", "-B", "16384", "-i", port.device, "-w", path,
                filter,
            ],
            as: "tcpdump-\(port.device)", in: port.namespace)
        try wait(for: "tcpdump on \(port.device)") { () throws(LabError) in
            if let status = process.status { throw .command("tcpdump", status: status, output: process.output) }
            return process.output.contains("listening on")
        }
        self.process = process
    }

    /// Ends the capture. *Throws*: when packets were missed.
    public func finish() throws(LabError) {
        process.signal(2)
        let status = try process.waitForEnd(upTo: .seconds(10))
        guard status == 0, process.output.contains("\n0 packets dropped by kernel") else {
            throw .command("tcpdump", status: status, output: process.output)
        }
    }
}
