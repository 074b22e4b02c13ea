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

    public func status() async throws -> RouterStatus {
        try await client.getStatus(Srv6pm_V1_GetStatusRequest(), options: options).value()
    }

    public func ports() async throws -> [PortStatus] {
        let reply = try await client.listPorts(Srv6pm_V1_ListPortsRequest(), options: options)
        return try reply.ports.enumerated().map { try $1.value(at: "ports[\($0)]") }
    }

    public func routes() async throws -> (routes: [RouteStatus], interfaces: InterfaceNames) {
        let reply = try await client.listRoutes(Srv6pm_V1_ListRoutesRequest(), options: options)
        return (try reply.routes.enumerated().map { try $1.value(at: "routes[\($0)]") }, names(reply.interfaces))
    }

    public func localSIDs() async throws -> (sids: [SIDStatus], interfaces: InterfaceNames) {
        let reply = try await client.listLocalSIDs(Srv6pm_V1_ListLocalSIDsRequest(), options: options)
        return (try reply.sids.enumerated().map { try $1.value(at: "sids[\($0)]") }, names(reply.interfaces))
    }

    public func policies() async throws -> [PolicyStatus] {
        let reply = try await client.listPolicies(Srv6pm_V1_ListPoliciesRequest(), options: options)
        return try reply.policies.enumerated().map { try $1.value(at: "policies[\($0)]") }
    }

    public func flows() async throws -> [FlowReading] {
        let reply = try await client.listFlows(Srv6pm_V1_ListFlowsRequest(), options: options)
        return try reply.flows.enumerated().map { try $1.value(at: "flows[\($0)]") }
    }

    public func drops() async throws -> [DropStatus] {
        let reply = try await client.listDrops(Srv6pm_V1_ListDropsRequest(), options: options)
        return try reply.drops.enumerated().map { try $1.value(at: "drops[\($0)]") }
    }

    public func workers() async throws -> [WorkerStatus] {
        try await client.listWorkers(Srv6pm_V1_ListWorkersRequest(), options: options).workers.map(\.value)
    }

    /// *Returns*: the kept blocks of one flow, or of all.
    public func blocks(of flow: Flow? = nil) async throws -> [Block] {
        var request = Srv6pm_V1_ListBlocksRequest()
        if let flow { request.flow = Srv6pm_V1_Flow(flow) }
        let reply = try await client.listBlocks(request, options: options)
        return try reply.blocks.enumerated().map { try $1.value(at: "blocks[\($0)]") }
    }

    public func addFlow(_ flow: Flow) async throws {
        var request = Srv6pm_V1_AddFlowRequest()
        request.flow = Srv6pm_V1_Flow(flow)
        _ = try await client.addFlow(request, options: options)
    }

    public func removeFlow(_ flow: Flow) async throws {
        var request = Srv6pm_V1_RemoveFlowRequest()
        request.flow = Srv6pm_V1_Flow(flow)
        _ = try await client.removeFlow(request, options: options)
    }

    public func color() async throws -> MarkColor {
        try MarkColor(await client.getColor(Srv6pm_V1_GetColorRequest(), options: options).color, at: "color")
    }

    public func setColor(_ color: MarkColor) async throws {
        var request = Srv6pm_V1_SetColorRequest()
        request.color = color.message
        _ = try await client.setColor(request, options: options)
    }

    /// Hands over blocks as they close, until the call or its task ends.
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

    private func names(_ map: [UInt32: String]) -> InterfaceNames {
        InterfaceNames(uniqueKeysWithValues: map.map { (Int($0.key), $0.value) })
    }
}
