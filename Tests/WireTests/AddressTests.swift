// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
import Wire

/// What the C library prints.
private func oracle(_ family: Int32, _ octets: [UInt8]) -> String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    _ = unsafe inet_ntop(family, octets, &text, socklen_t(text.count))
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}

private func oracle(_ address: IPv6Address) -> String {
    oracle(AF_INET6, emitted(16) { $0.setIPv6Address(address, at: 0) })
}

private func oracle(_ address: IPv4Address) -> String {
    oracle(AF_INET, emitted(4) { $0.setIPv4Address(address, at: 0) })
}

@Suite struct IPv6AddressTests {
    /// The examples of RFC 5952 sections 2, 4 and 5, and the edges around them.
    @Test(arguments: [
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:0:1::1", "2001:db8::1:0:0:1"),
        ("2001:db8:0000:0:1::1", "2001:db8::1:0:0:1"), ("2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"),
        ("2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"),
        ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:0", "2001:db8:0:0:1::"), ("0:0:1:0:0:0:0:1", "0:0:1::1"),
        ("2001:db8:aaaa:bbbb:cccc:dddd:eeee:AaAa", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:aaaa"),
        ("::", "::"), ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("1:0:0:0:0:0:0:0", "1::"),
        ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"), ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"),
        ("0:1:0:2:0:3:0:4", "0:1:0:2:0:3:0:4"), ("1:0:0:2:0:0:3:0", "1::2:0:0:3:0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::ffff:c000:201", "::ffff:192.0.2.1"),
        ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"), ("::fffe:c000:201", "::fffe:c000:201"),
        ("::1:ffff:c000:201", "::1:ffff:c000:201"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ])
    func printsAsRFC5952(text: String, canonical: String) throws {
        let address = try #require(IPv6Address(text))
        #expect(address.description == canonical)
        #expect(IPv6Address(canonical) == address)
    }

    /// Section 5 recommends the mixed form for well-known prefixes; `::/96` is none any more (RFC 4291 section 2.5.5.1).
    @Test(arguments: ["::1:0", "::c000:201", "::ffff:ffff", "::ffff", "::2"])
    func compatibleAddressesAreNotMixed(text: String) throws {
        #expect(try #require(IPv6Address(text)).description == text)
    }

    @Test func printsAsTheCLibrary() throws {
        var random = Seeded(0x5952)
        var compared = 0
        for round in 0..<30_000 {
            let address = round % 4 == 0 ? random.ipv6Address() : random.sparseIPv6Address()
            #expect(IPv6Address(address.description) == address)
            if address.high == 0 && address.low >> 32 == 0 { continue }
            try #require(address.description == oracle(address))
            compared += 1
        }
        #expect(compared > 25_000)
    }

    @Test func halvesAreTheOctetsInOrder() {
        #expect(
            IPv6Address("0102:0304:0506:0708:090a:0b0c:0d0e:0f10")
                == IPv6Address(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10))
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1 ", " ::1",
        "::1%lo",
        "fd00::/64", "[::1]", "1.2.3.4", "::1.2.3", "::1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func nonsenseIsNoAddress(text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test(arguments: [
        ("::", [true, false, false, false]), ("::1", [false, true, false, false]),
        ("::2", [false, false, false, false]),
        ("0:0:0:1::1", [false, false, false, false]), ("fe80::1", [false, false, true, false]),
        ("febf:ffff::", [false, false, true, false]), ("fe7f::1", [false, false, false, false]),
        ("fec0::1", [false, false, false, false]), ("ff00::", [false, false, false, true]),
        ("ff02::1", [false, false, false, true]), ("feff::1", [false, false, false, false]),
        ("::ff02:0:1", [false, false, false, false]),
    ])
    func kindsAreToldByTheirPrefix(text: String, kinds: [Bool]) throws {
        let address = try #require(IPv6Address(text))
        #expect([address.isUnspecified, address.isLoopback, address.isLinkLocal, address.isMulticast] == kinds)
    }

    @Test func maskingClearsBitByBit() {
        var random = Seeded(128)
        for _ in 0..<100 {
            let octets = random.octets(16)
            for length in 0...128 {
                let masked = octets.enumerated().map { index, octet in
                    octet & ~UInt8(truncatingIfNeeded: 0xff >> min(8, max(0, length - 8 * index)))
                }
                unsafe #expect(
                    octets.span.bytes.ipv6Address(at: 0).masked(to: length) == masked.span.bytes.ipv6Address(at: 0))
            }
        }
    }

    @Test func textDoesNotEndAtAZero() {
        for rest in ["\u{0}", "\u{0}2", "\u{0}::"] {
            #expect(IPv6Address("::1" + rest) == nil)
            #expect(IPv4Address("1.2.3.4" + rest) == nil)
            #expect(MACAddress("02:13:24:35:46:57" + rest) == nil)
            #expect(IPPrefix("fd00::\(rest)/64") == nil)
        }
    }

    @Test func aPrefixLengthThatNoAddressHasTraps() async {
        await #expect(processExitsWith: .failure) { _ = IPv6Address.unspecified.masked(to: 129) }
        await #expect(processExitsWith: .failure) { _ = IPv6Address.unspecified.masked(to: -1) }
        await #expect(processExitsWith: .failure) { _ = IPv4Address(1).masked(to: 33) }
    }
}

@Suite struct IPv4AddressTests {
    @Test func printsAsTheCLibrary() {
        var random = Seeded(4)
        for round in 0..<5_000 {
            let address = round % 2 == 0 ? random.ipv4Address() : IPv4Address(random.value() & 0xff0f_00ff)
            #expect(address.description == oracle(address))
            #expect(IPv4Address(address.description) == address)
        }
    }

    @Test func theFirstPartIsTheHighestOctet() {
        #expect(IPv4Address("1.2.3.4") == IPv4Address(0x0102_0304))
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..3.4", "a.b.c.d",
        "0x1.2.3.4", "1.2.3.4/24", "::1",
    ])
    func nonsenseIsNoAddress(text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func maskingClearsBitByBit() {
        for length in 0...32 {
            let kept = (0..<32).reduce(UInt32(0)) { bits, bit in bit < length ? bits | 0x8000_0000 >> UInt32(bit) : bits
            }
            #expect(IPv4Address(.max).masked(to: length) == IPv4Address(kept))
        }
    }
}

@Suite struct MACAddressTests {
    @Test func textAndValueAgree() {
        #expect(MACAddress("02:13:ac:35:DE:57") == MACAddress(0x0213_ac35_de57))
        #expect(MACAddress(0x0213_ac35_de57).description == "02:13:ac:35:de:57")
        #expect(MACAddress(0x000a_0000_0b00).description == "00:0a:00:00:0b:00")
        var random = Seeded(48)
        for _ in 0..<1_000 {
            let address = random.macAddress()
            #expect(MACAddress(address.description) == address)
        }
    }

    @Test func bitsAboveTheAddressAreCleared() {
        #expect(MACAddress(0xabcd_1234_5678_9abc).value == 0x1234_5678_9abc)
    }

    @Test(arguments: [
        "", ":::::", "02:13:24:35:46", "02:13:24:35:46:57:68", "2:13:24:35:46:57", "002:13:24:35:46:57",
        "02-13-24-35-46-57", "02:13:24:35:46:5g", "02:13:24:35:46:57 ", "+2:13:24:35:46:57", "-0:13:24:35:46:57",
        "02:13:24:35:46:+f", "021324354657",
    ])
    func nonsenseIsNoAddress(text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test(arguments: [
        ("ff:ff:ff:ff:ff:ff", true), ("01:00:5e:00:00:01", true), ("33:33:00:00:00:01", true),
        ("02:13:24:35:46:57", false), ("fe:ff:ff:ff:ff:ff", false), ("00:01:01:01:01:01", false),
    ])
    func theGroupBitIsTheLowestOfTheFirstOctet(text: String, isGroup: Bool) throws {
        #expect(try #require(MACAddress(text)).isGroup == isGroup)
    }
}

@Suite struct IPPrefixTests {
    @Test func addressesOfEitherFamilyParse() throws {
        #expect(IPAddress("192.0.2.7") == .v4(IPv4Address(0xc000_0207)))
        #expect(IPAddress("fd00::7") == .v6(IPv6Address(high: 0xfd00 << 48, low: 7)))
        #expect(IPAddress("host") == nil)
        #expect(try #require(IPAddress("192.0.2.7")).description == "192.0.2.7")
        #expect(try #require(IPAddress("fd00::7")).description == "fd00::7")
    }

    @Test func anIPv4AddressMapsIntoIPv6() throws {
        #expect(try #require(IPAddress("192.0.2.7")).mapped == IPv6Address("::ffff:192.0.2.7"))
        #expect(try #require(IPAddress("fd00::7")).mapped == IPv6Address("fd00::7"))
    }

    @Test(arguments: [
        ("10.201.45.67/8", "10.0.0.0/8"), ("10.201.45.67/13", "10.200.0.0/13"), ("10.201.45.67", "10.201.45.67/32"),
        ("0.0.0.0/0", "0.0.0.0/0"), ("255.255.255.255/0", "0.0.0.0/0"), ("fd12:3456::9/20", "fd12:3000::/20"),
        ("fd12:3456::9", "fd12:3456::9/128"), ("fd12:3456:789a:bcde:f012::/68", "fd12:3456:789a:bcde:f000::/68"),
        ("ffff::/0", "::/0"), ("::1/127", "::/127"),
    ])
    func bitsBehindTheLengthAreCleared(text: String, canonical: String) throws {
        let prefix = try #require(IPPrefix(text))
        #expect(prefix.description == canonical)
        #expect(IPPrefix(canonical) == prefix)
    }

    @Test(arguments: [
        "", "/", "/64", "64", "fd00::/", "fd00::/129", "fd00::/-1", "fd00::/+64", "fd00::/064", "fd00::/ 64",
        "fd00::/64 ",
        "fd00::/64/64", "fd00:://64", "fd00::/0x40", "fd00::/99999999999999999999", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0/8", "default",
    ])
    func nonsenseIsNoPrefix(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    /// Whatever text comes, it is refused or it survives being printed.
    @Test func hostileTextNeverTraps() throws {
        var random = Seeded(0xbadc0de)
        let alphabet = Array("0123456789abcdefABCDEF:::...///+-% \u{0}xgé")
        let seeds = ["fd00:1::2/64", "192.0.2.1/24", "02:13:24:35:46:57", "::ffff:1.2.3.4"]
        var accepted = 0
        for _ in 0..<20_000 {
            var text = Array(seeds[random.value(0...seeds.count - 1)])
            for _ in 0..<random.value(1...4) {
                let position = random.value(0...text.count - 1)
                text[position] = alphabet[random.value(0...alphabet.count - 1)]
            }
            let candidate = String(text)
            if let prefix = IPPrefix(candidate) {
                accepted += 1
                try #require(IPPrefix(prefix.description) == prefix)
            }
            if let address = MACAddress(candidate) {
                accepted += 1
                try #require(address.description == candidate.lowercased())
            }
        }
        #expect(accepted > 1_000)
    }
}
