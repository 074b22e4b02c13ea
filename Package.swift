// swift-tools-version:6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// `SRV6PM_CORE=1 swift test --scratch-path .build-core` leaves out the rooms above the engines, and with them gRPC:
// seconds instead of minutes. A scratch path of its own, because the two sets of dependencies displace each other.
let coreOnly = Context.environment["SRV6PM_CORE"] == "1"

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableExperimentalFeature("Lifetimes"),
]
// The packet path crosses from Dataplane into Wire and SRv6: let the optimizer cross with it.
let hot: [SwiftSetting] =
    strict + [
        .unsafeFlags(
            ["-cross-module-optimization", "-enforce-exclusivity=unchecked", "-Xcc", "-march=x86-64-v2"],
            .when(configuration: .release))
    ]

let coreTargets: [Target] = [
    .systemLibrary(name: "CXDP", path: "Sources/CXDP"),
    .systemLibrary(name: "CMNL", path: "Sources/CMNL"),
    .systemLibrary(name: "CBPFABI", path: "bpf/include"),
    .target(name: "Wire", swiftSettings: hot),
    .target(name: "SRv6", dependencies: ["Wire"], swiftSettings: hot),
    .target(name: "Netlink", dependencies: ["SRv6", "Wire", "CMNL"], swiftSettings: strict),
    .target(name: "Dataplane", dependencies: ["SRv6", "Wire", "CXDP", "CBPFABI"], swiftSettings: hot),
    .target(name: "Measurement", dependencies: ["SRv6", "Wire"], swiftSettings: strict),
    .target(name: "Bench", dependencies: ["Dataplane", "SRv6", "Wire"], swiftSettings: strict),
    .systemLibrary(name: "CLab", path: "Sources/CLab"),
    .target(name: "Lab", dependencies: ["SRv6", "Wire", "CXDP", "CBPFABI", "CLab"], swiftSettings: strict),
    .executableTarget(name: "srv6pm-lab", dependencies: ["Lab"], swiftSettings: strict),
]

// These reach inside their rooms, so they are built for debugging.
let coreTests: [Target] = [
    .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: strict),
    .testTarget(name: "SRv6Tests", dependencies: ["SRv6", "Wire"], swiftSettings: strict),
    .testTarget(name: "NetlinkTests", dependencies: ["Netlink", "SRv6", "Wire", "Lab"], swiftSettings: strict),
    .testTarget(name: "MeasurementTests", dependencies: ["Measurement", "SRv6", "Wire"], swiftSettings: strict),
    .testTarget(
        name: "DataplaneTests", dependencies: ["Dataplane", "Bench", "SRv6", "Wire"], swiftSettings: strict),
    .testTarget(name: "NetnsTests", dependencies: ["Lab", "SRv6", "Wire"], swiftSettings: strict),
]

let grpc: [Target.Dependency] = [
    .product(name: "GRPCCore", package: "grpc-swift-2"),
    .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
    .product(name: "SwiftProtobuf", package: "swift-protobuf"),
]
let transport = Target.Dependency.product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let fullTargets: [Target] = [
    .target(
        name: "API", dependencies: grpc + ["Measurement", "SRv6", "Wire"],
        exclude: ["Protos", "Generated/protos.sha256"], swiftSettings: strict),
    .target(
        name: "Agent",
        dependencies: grpc + [
            transport, logging, .product(name: "Yams", package: "Yams"),
            "API", "Dataplane", "Netlink", "Measurement", "SRv6", "Wire",
        ], swiftSettings: strict),
    .executableTarget(name: "srv6pmd", dependencies: ["Agent", arguments, logging], swiftSettings: strict),
    .executableTarget(
        name: "srv6pm",
        dependencies: grpc + [
            transport, arguments, "API", "Agent", "Bench", "Dataplane", "Measurement", "Netlink", "SRv6", "Wire",
        ],
        swiftSettings: strict),
    .testTarget(
        name: "AgentTests",
        dependencies: grpc + [
            transport, logging, "srv6pm", "srv6pmd", "Agent", "API", "Dataplane", "Measurement", "SRv6", "Wire",
        ], swiftSettings: strict),
]

let package = Package(
    name: "srv6pm",
    products: coreOnly
        ? []
        : [
            .executable(name: "srv6pmd", targets: ["srv6pmd"]),
            .executable(name: "srv6pm", targets: ["srv6pm"]),
            .executable(name: "srv6pm-lab", targets: ["srv6pm-lab"]),
        ],
    dependencies: coreOnly
        ? []
        : [
            .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
            .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
            .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
            .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
            .package(url: "https://github.com/grpc/grpc-swift-protobuf", exact: "2.4.1"),
            .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0", traits: []),
            .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        ],
    targets: coreTargets + (coreOnly ? coreTests : fullTargets),
    swiftLanguageModes: [.v6]
)
