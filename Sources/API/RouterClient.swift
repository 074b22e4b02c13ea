// SPDX-License-Identifier: Apache-2.0
import GRPCCore
import Measurement
import SRv6

/// The router's service in values instead of messages.
///
/// Calls throw `RPCError` as the router or the transport answers, and `ConfigurationError` for a reply that makes no
/// sense. All but ``watchBlocks(includeKept:_:)`` have a deadline.
public struct RouterClient<Transport: ClientTransport>: Sendable {
    private let client: Srv6pm_V1_Router.Client<Transport>
    private let options: CallOptions

    public init(_ client: GRPCClient<Transport>, deadline: Duration = .seconds(5)) {
        self.client = Srv6pm_V1_Router.Client(wrapping: client)
        var options = CallOptions.defaults
        options.timeout = deadline
        // A router that is away is an answer, not something to wait for.
        options.waitForReady = false
        // 65 536 flows of 16 segments with 128 blocks each are refused rather than buffered.
        options.maxResponseMessageBytes = 256 << 20
        self.options = options
    }

    /// What runs, since when and how it marks.
    public func status() async throws -> RouterStatus {
        try await client.getStatus(Srv6pm_V1_GetStatusRequest(), options: options).value()
    }

    /// The interfaces that the data plane forwards between.
    public func ports() async throws -> [PortStatus] {
        let reply = try await client.listPorts(Srv6pm_V1_ListPortsRequest(), options: options)
        return try reply.ports.enumerated().map { try $1.value(at: "ports[\($0)]") }
    }

    /// The kernel's routes with what the data plane does with each, and the names of their interfaces.
    public func routes() async throws -> (routes: [RouteStatus], interfaces: InterfaceNames) {
        let reply = try await client.listRoutes(Srv6pm_V1_ListRoutesRequest(), options: options)
        return (try reply.routes.enumerated().map { try $1.value(at: "routes[\($0)]") }, names(reply.interfaces))
    }

    /// The local SIDs with their counters, and the names of the interfaces that behaviors refer to.
    public func localSIDs() async throws -> (sids: [SIDStatus], interfaces: InterfaceNames) {
        let reply = try await client.listLocalSIDs(Srv6pm_V1_ListLocalSIDsRequest(), options: options)
        return (try reply.sids.enumerated().map { try $1.value(at: "sids[\($0)]") }, names(reply.interfaces))
    }

    /// The SR policies of the node with the prefixes that lead into them.
    public func policies() async throws -> [PolicyStatus] {
        let reply = try await client.listPolicies(Srv6pm_V1_ListPoliciesRequest(), options: options)
        return try reply.policies.enumerated().map { try $1.value(at: "policies[\($0)]") }
    }

    /// The monitored flows with their cumulative counters, in the order in which they were added.
    public func flows() async throws -> [FlowReading] {
        let reply = try await client.listFlows(Srv6pm_V1_ListFlowsRequest(), options: options)
        return try reply.flows.enumerated().map { try $1.value(at: "flows[\($0)]") }
    }

    /// How many packets each reason has ended.
    public func drops() async throws -> [DropStatus] {
        let reply = try await client.listDrops(Srv6pm_V1_ListDropsRequest(), options: options)
        return try reply.drops.enumerated().map { try $1.value(at: "drops[\($0)]") }
    }

    /// The threads of the data plane.
    public func workers() async throws -> [WorkerStatus] {
        try await client.listWorkers(Srv6pm_V1_ListWorkersRequest(), options: options).workers.map(\.value)
    }

    /// The kept blocks of one flow, or of all.
    ///
    /// *Throws*: NOT_FOUND when the flow is not monitored.
    public func blocks(of flow: Flow? = nil) async throws -> [Block] {
        var request = Srv6pm_V1_ListBlocksRequest()
        if let flow { request.flow = Srv6pm_V1_Flow(flow) }
        let reply = try await client.listBlocks(request, options: options)
        return try reply.blocks.enumerated().map { try $1.value(at: "blocks[\($0)]") }
    }

    /// Begins to count a flow, from zero.
    ///
    /// *Throws*: ALREADY_EXISTS, FAILED_PRECONDITION when it cannot be told from another or not be monitored,
    /// RESOURCE_EXHAUSTED when no counter is free.
    public func addFlow(_ flow: Flow) async throws {
        var request = Srv6pm_V1_AddFlowRequest()
        request.flow = Srv6pm_V1_Flow(flow)
        _ = try await client.addFlow(request, options: options)
    }

    /// Ends the counting of a flow; its counters and blocks are gone.
    ///
    /// *Throws*: NOT_FOUND when it is not monitored.
    public func removeFlow(_ flow: Flow) async throws {
        var request = Srv6pm_V1_RemoveFlowRequest()
        request.flow = Srv6pm_V1_Flow(flow)
        _ = try await client.removeFlow(request, options: options)
    }

    /// The color that monitored packets are given now.
    public func color() async throws -> MarkColor {
        try MarkColor(await client.getColor(Srv6pm_V1_GetColorRequest(), options: options).color, at: "color")
    }

    /// Switches the color. Every packet marked after the return carries it.
    ///
    /// *Throws*: FAILED_PRECONDITION when a color clock switches it.
    public func setColor(_ color: MarkColor) async throws {
        var request = Srv6pm_V1_SetColorRequest()
        request.color = color.message
        _ = try await client.setColor(request, options: options)
    }

    /// Hands over blocks as they close, after the kept ones when `includeKept` is set, until the call or its task ends.
    ///
    /// *Throws*: FAILED_PRECONDITION without a color clock, RESOURCE_EXHAUSTED when `receive` is too slow, UNAVAILABLE
    /// when the router ends.
    public func watchBlocks(includeKept: Bool, _ receive: @Sendable @escaping (Block) async throws -> Void) async throws
    {
        var request = Srv6pm_V1_WatchBlocksRequest()
        request.includeKept = includeKept
        var endless = options
        endless.timeout = nil
        try await client.watchBlocks(request, options: endless) { response in
            for try await message in response.messages { try await receive(try message.value(at: "block")) }
        }
    }

    /// Maps of messages have keys of 32 bits.
    private func names(_ map: [UInt32: String]) -> InterfaceNames {
        InterfaceNames(uniqueKeysWithValues: map.map { (Int($0.key), $0.value) })
    }
}
