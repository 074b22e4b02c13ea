// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab

let usage = """
    usage: srv6pm-lab demo [--blocks N] [--loss PERCENT] [--workers N]
           srv6pm-lab throughput

      demo      two hosts, two srv6pmd edge routers, a lossy kernel router between them: every lost packet named
        --blocks N       color blocks of one second to compare (default 20)
        --loss PERCENT   packets that the lossy router takes (default 2)
        --workers N      threads of each daemon, 1 to 16 (default 2)

      throughput  packets a second that are encapsulated: by the kernel, and by the engine with marks and counts
    """

func fail(_ message: String, status: Int32) -> Never {
    print("srv6pm-lab: \(message)")
    exit(status)
}

func demoOptions(_ arguments: ArraySlice<String>) -> Demo.Options {
    var options = Demo.Options()
    var rest = arguments
    while let name = rest.popFirst() {
        guard let value = rest.popFirst() else { fail("\(name) needs a value\n\(usage)", status: 64) }
        switch (name, Int(value), Double(value)) {
        case ("--blocks", let count?, _) where (1...600).contains(count): options.blocks = count
        case ("--workers", let count?, _) where (1...16).contains(count): options.workers = count
        case ("--loss", _, let percent?) where percent > 0 && percent < 100: options.loss = percent / 100
        // For the laboratory's own proof: the same network without the daemon.
        case ("--backend", _, _) where value == "kernel" || value == "afxdp": options.isKernelOnly = value == "kernel"
        default: fail("\(name) \(value) is not understood\n\(usage)", status: 64)
        }
    }
    return options
}

let arguments = CommandLine.arguments.dropFirst()
switch arguments.first {
case "demo":
    let options = demoOptions(arguments.dropFirst())
    Laboratory.closeOnSignals()
    let outcome = Result { try Demo(options).run() }
    Laboratory.exit {
        switch outcome {
        case .success(let isExact): return isExact ? 0 : 1
        case .failure(let error): fail("\(error)", status: 1)
        }
    }
case "throughput" where arguments.count == 1:
    Laboratory.closeOnSignals()
    let outcome = Result {
        let laboratory = try Laboratory()
        defer { laboratory.close() }
        return try ThroughputExperiment(in: laboratory).run { print($0) }
    }
    Laboratory.exit {
        switch outcome {
        case .success(let result):
            for placement in ThroughputExperiment.Placement.allCases {
                print(
                    "\(placement.rawValue): kernel \(Int(result.best(.kernel, placement))), engine "
                        + "\(Int(result.best(.engine, placement))) packets per second, ratio "
                        + "\((result.ratio(placement) * 100).rounded() / 100)")
            }
            return 0
        case .failure(let error): fail("\(error)", status: 1)
        }
    }
case "--help", "-h", "help":
    print(usage)
default:
    fail("no such command\n\(usage)", status: 64)
}
