// SPDX-License-Identifier: Apache-2.0
import Glibc
import Lab
import Testing

@Suite("Throughput", .needsRoot, .needsDaemon)
struct ThroughputTests {
    @Test(
        "the engine encapsulates, marks and counts at least twice as many packets as the kernel encapsulates",
        .enabled(if: sysconf(Int32(_SC_NPROCESSORS_ONLN)) >= 2, "generator and router need a core each"))
    func twiceTheKernel() throws {
        var best = 0.0
        // A noisy neighbor can spoil one run, not three.
        for _ in 0..<3 where best < 2 {
            try inLaboratory { laboratory in
                let result = try ThroughputExperiment(in: laboratory).run { print($0) }
                print("engine \(Int(result.best.engine)), kernel \(Int(result.best.kernel)), ratio \(result.ratio)")
                best = max(best, result.ratio)
            }
        }
        #expect(best >= 2)
    }
}
