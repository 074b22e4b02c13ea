// SPDX-License-Identifier: Apache-2.0
import SRv6
import Testing
import Wire

@testable import Netlink

/// Nothing that arrives may trap. Every test feeds the whole picture, as a datagram.
struct GarbageTests {
    /// SplitMix64: the same numbers in every run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
            return mixed ^ mixed >> 31
        }
    }

    private static let vectors = [
        Vector.linkdown, Vector.address4, Vector.neighbor, Vector.rule, Vector.encap, Vector.inline, Vector.endX,
        Vector.endDX6, Vector.endNextCSID, Vector.endB6Encaps, Vector.ipip, Vector.multipath, Vector.via, Vector.from,
    ].map(octets)

    private func feed(_ datagram: [UInt8], into picture: inout Picture) {
        unsafe datagram.span.bytes.forEachMessage { header, payload in
            picture.apply(header, payload)
            _ = decodeRule(payload)
        }
    }

    @Test func everyTruncation() {
        var picture = Picture()
        for vector in Self.vectors {
            for count in 0..<vector.count {
                // Cut, once with the length of the whole, once with a length that fits.
                feed(Array(vector[..<count]), into: &picture)
                guard count >= 4 else { continue }
                feed(Request.octets(of: UInt32(count)) + vector[4..<count], into: &picture)
            }
        }
        _ = picture.takeChanges()
    }

    @Test func flippedOctets() {
        var generator = Generator(state: 1)
        var picture = Picture()
        for round in 0..<50_000 {
            var datagram = Self.vectors[round % Self.vectors.count]
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                datagram[Int.random(in: 4..<datagram.count, using: &generator)] = .random(
                    in: 0...255, using: &generator)
            }
            feed(datagram, into: &picture)
            if round % 1000 == 0 { _ = picture.takeChanges() }
        }
    }

    @Test func noise() {
        var generator = Generator(state: 2)
        var picture = Picture()
        for _ in 0..<50_000 {
            let count = Int.random(in: 0...120, using: &generator)
            let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let type = UInt16.random(in: 16...40, using: &generator)
            let head =
                Request.octets(of: UInt32(16 + count)) + Request.octets(of: type) + [UInt8](repeating: 0, count: 10)
            feed(head + payload, into: &picture)
            feed(payload, into: &picture)
            unsafe payload.span.bytes.forEachAttribute { _, value in
                _ = value.text.count + (value.address == nil ? 0 : 1)
            }
            _ = unsafe decodeSeg6Local(payload.span.bytes)
            _ = unsafe decodeEncapsulation(payload.span.bytes, from: 0)
        }
    }

    @Test func walkersStopWhereLengthsLie() {
        func attributes(_ octets: [UInt8]) -> [Int] {
            var types: [Int] = []
            unsafe octets.span.bytes.forEachAttribute { type, _ in types.append(type) }
            return types
        }
        #expect(attributes([]) == [])
        #expect(attributes([4, 0, 7]) == [])
        #expect(attributes([4, 0, 7, 0]) == [7])
        // A length below the header, zero included, would never end.
        #expect(attributes([3, 0, 7, 0]) == [])
        #expect(attributes([0, 0, 7, 0, 4, 0, 8, 0]) == [])
        #expect(attributes([9, 0, 7, 0, 1, 2, 3, 4]) == [])
        // An odd length is padded; padding may be missing at the end. Flag bits are not part of the type.
        #expect(attributes([5, 0, 7, 0x80, 1, 0, 0, 0, 5, 0, 8, 0x40, 1]) == [7, 8])
    }
}
