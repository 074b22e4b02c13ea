// SPDX-License-Identifier: Apache-2.0
import Lab
import SRv6
import Testing
import Wire

@Suite("Exactness", .serialized, .needsRoot, .needsDaemon)
struct ExactnessTests {
    /// Random loss of 1 to 5 percent by flow, one flow losing and sending in bursts, UDP and TCP, both directions, two
    /// workers, blocks of one second.
    @Test("the edges miss exactly the packets that the dropper took, in every block of every flow")
    func everyBlock() throws {
        try inLaboratory { laboratory in
            var experiment = try LossExperiment(
                in: laboratory, workers: 2, blockCount: 16,
                loss: { flow in
                    let ratio = Double(flow.pair.number) / 100
                    return flow.pair.number == 4
                        ? Impairment.Loss(probability: ratio / 8, burst: 8) : Impairment.Loss(probability: ratio)
                })
            for block in experiment.blocks { _ = try experiment.close(block) }
            _ = try experiment.finish()
            var complete = 0
            for flow in experiment.chain.flows {
                var (sent, lost) = (0, 0)
                for block in experiment.blocks {
                    guard let row = try experiment.row(flow, block) else { continue }
                    complete += 1
                    sent += Int(row.sent.packets)
                    lost += row.knownLoss
                    #expect(
                        row.isExact,
                        "\(flow.pair.label) \(flow.policy), block \(block): measured \(row.measuredLoss), known \(row.knownLoss), sent \(row.sent), received \(row.received), seen \(row.seen)"
                    )
                }
                #expect(sent > 1000 && lost > 5, "\(flow.pair.label): \(sent) sent, \(lost) lost prove nothing")
            }
            let expected = experiment.blocks.count * experiment.chain.flows.count
            #expect(complete * 4 >= expected * 3, "\(complete) of \(expected) blocks are complete")
        }
    }
}
