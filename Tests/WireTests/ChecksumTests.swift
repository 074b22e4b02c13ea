// SPDX-License-Identifier: Apache-2.0
import Testing
import Wire

@Suite struct ChecksumTests {
    /// RFC 1071 section 3.
    @Test func theExampleOfRFC1071() {
        #expect(sum(hex("0001 f203 f4f5 f6f7")) == 0xddf2)
    }

    @Test(arguments: [
        ("", 0), ("12", 0x1200), ("1234", 0x1234), ("123456", 0x6834), ("ffff", 0xffff), ("ffff0001", 1), ("0000", 0),
        ("fffffffe0001", 0xffff), ("ffffffffffffffff", 0xffff), ("8000800080", 0x8001),
    ])
    func lengthsOfEveryRemainder(octets: String, expected: UInt16) {
        #expect(sum(hex(octets)) == expected)
    }

    @Test func sumsEqualTheWordwiseOnes() {
        var random = Seeded(1071)
        for count in 0..<700 {
            // Ones are frequent, so that carries are.
            let octets = random.octets(count).map { $0 % 3 == 0 ? 0xff : $0 }
            let partial: UInt16 = count % 2 == 0 ? 0xffff : random.value()
            #expect(sum(octets, partial: partial) == naiveSum(octets, partial: partial))
        }
    }

    @Test func sumsOfPartsCanBeChainedAtEvenOffsets() {
        var random = Seeded(2)
        for _ in 0..<1_000 {
            let octets = random.octets(0...300)
            let cut = 2 * random.value(0...octets.count / 2)
            #expect(sum(Array(octets[cut...]), partial: sum(Array(octets[..<cut]))) == sum(octets))
        }
    }

    /// A folded sum is the sum modulo 0xffff, where only nothing at all is zero.
    @Test func foldingIsArithmeticModulo65535() {
        var random = Seeded(65_535)
        let edges: [UInt64] = [
            0, 1, 0xfffe, 0xffff, 0x1_0000, 0x1_fffe, 0xffff_0000, 0xffff_ffff, 0x1_0000_0000, .max - 1, .max,
        ]
        for total in edges + (0..<10_000).map({ _ in random.next() >> random.value(0...63) }) {
            let expected = total == 0 ? 0 : (total - 1) % 0xffff + 1
            #expect(UInt64(Checksum.fold(total)) == expected)
        }
    }

    /// RFC 1624 section 4: RFC 1141 gets 0xffff here.
    @Test func theExampleOfRFC1624() {
        #expect(Checksum.updated(0xdd2f, from: 0x5555, to: 0x3285) == 0x0000)
    }

    @Test func updatesEqualFullRecomputation() {
        var random = Seeded(1624)
        let corners: [UInt16] = [0, 1, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xff00, 0xfffe, 0xffff]
        func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
        var wrong: [String] = []
        func compare(_ rest: [UInt8], _ old: UInt16, _ new: UInt16) {
            let before = ~naiveSum(word(old) + rest)
            let after = ~naiveSum(word(new) + rest)
            // The words of a packet are never all zero, so that its sum is never zero either.
            guard before != 0xffff, after != 0xffff else { return }
            if Checksum.updated(before, from: old, to: new) != after { wrong.append("\(rest): \(old) to \(new)") }
        }
        for rest in corners {
            for old in corners {
                for new in corners { compare(word(rest), old, new) }
            }
        }
        for _ in 0..<20_000 {
            let old: UInt16 = random.value()
            // A rest that brings the sum to or around 0xffff, that is the checksum to 0x0000, in half of the rounds.
            let rest = random.value(0...1) == 0 ? random.octets(18) : word(~old &+ random.value(0...2) &- 1)
            compare(rest, old, random.value(0...3) == 0 ? ~naiveSum(rest) : random.value())
        }
        #expect(wrong.prefix(5) == [])
    }

    /// All zeros is the one content with two checksums; the updated one still verifies.
    @Test func anUpdateToAllZerosVerifies() {
        let wrong = (UInt16(1)...0xffff).filter { old in
            let updated = Checksum.updated(~old, from: old, to: 0)
            return updated != 0 && updated != 0xffff
        }
        #expect(wrong.prefix(5) == [])
    }

    @Test func pseudoHeadersSumLikeTheirOctets() {
        var random = Seeded(81)
        for _ in 0..<1_000 {
            let (source, destination) = (random.ipv6Address(), random.ipv6Address())
            let (length, nextHeader): (UInt32, UInt8) = (random.value(0...0x1_ffff), random.value())
            let octets = emitted(40) {
                $0.setIPv6Address(source, at: 0)
                $0.setIPv6Address(destination, at: 16)
                $0.setU32(length, at: 32)
                $0.setU32(UInt32(nextHeader), at: 36)
            }
            #expect(
                Checksum.pseudoHeader(
                    source: source, destination: destination, length: Int(length), nextHeader: nextHeader)
                    == naiveSum(octets))
        }
        for _ in 0..<1_000 {
            let (source, destination) = (random.ipv4Address(), random.ipv4Address())
            let (length, nextHeader): (UInt16, UInt8) = (random.value(), random.value())
            let octets = emitted(12) {
                $0.setIPv4Address(source, at: 0)
                $0.setIPv4Address(destination, at: 4)
                $0.setU16(UInt16(nextHeader), at: 8)
                $0.setU16(length, at: 10)
            }
            #expect(
                Checksum.pseudoHeader(
                    source: source, destination: destination, length: Int(length), nextHeader: nextHeader)
                    == naiveSum(octets))
        }
    }
}
