// SPDX-License-Identifier: Apache-2.0
import API
import Dispatch
import GRPCCore
import Glibc
import Measurement
import SRv6

/// The service `srv6pm.v1.Router`.
struct RouterService: Srv6pm_V1_Router.SimpleServiceProtocol {
    let meter: Meter
    /// What the engine was built with; it does not change while it runs.
    let marking: MarkingScheme
    let startedAt: WallTime
    /// Calls into the data plane wait for its workers; this queue waits in the place of Swift's threads, and brings
    /// them into an order.
    let queue = DispatchQueue(label: "srv6pm.router")

    func getStatus(
        request: Srv6pm_V1_GetStatusRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_GetStatusResponse {
        try await perform {
            Srv6pm_V1_GetStatusResponse(
                RouterStatus(
                    version: projectVersion, startedAt: startedAt, marking: marking, colorClock: meter.clock,
                    activeColor: meter.router.activeColor, capabilities: meter.router.capabilities))
        }
    }

    func listPorts(
        request: Srv6pm_V1_ListPortsRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListPortsResponse {
        try await perform {
            var reply = Srv6pm_V1_ListPortsResponse()
            reply.ports = meter.router.ports().map { Srv6pm_V1_Port($0) }
            return reply
        }
    }

    func listRoutes(
        request: Srv6pm_V1_ListRoutesRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListRoutesResponse {
        try await perform {
            let routes = meter.router.routes()
            var reply = Srv6pm_V1_ListRoutesResponse()
            reply.routes = routes.map { Srv6pm_V1_Route($0) }
            reply.interfaces = Self.names(of: routes.flatMap { $0.route.nextHops.map(\.linkIndex) })
            return reply
        }
    }

    func listLocalSIDs(
        request: Srv6pm_V1_ListLocalSIDsRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListLocalSIDsResponse {
        try await perform {
            let sids = meter.router.localSIDs()
            var reply = Srv6pm_V1_ListLocalSIDsResponse()
            reply.sids = sids.map { Srv6pm_V1_LocalSIDStatus($0) }
            reply.interfaces = Self.names(of: sids.compactMap(\.localSID.linkIndex))
            return reply
        }
    }

    func listPolicies(
        request: Srv6pm_V1_ListPoliciesRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListPoliciesResponse {
        try await perform {
            var reply = Srv6pm_V1_ListPoliciesResponse()
            reply.policies = meter.router.policies().map { Srv6pm_V1_PolicyStatus($0) }
            return reply
        }
    }

    func listFlows(
        request: Srv6pm_V1_ListFlowsRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListFlowsResponse {
        try await perform {
            var reply = Srv6pm_V1_ListFlowsResponse()
            reply.flows = meter.router.readings().map { Srv6pm_V1_FlowCounters($0) }
            return reply
        }
    }

    func listDrops(
        request: Srv6pm_V1_ListDropsRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListDropsResponse {
        try await perform {
            var reply = Srv6pm_V1_ListDropsResponse()
            reply.drops = meter.router.drops().map { Srv6pm_V1_Drop($0) }
            return reply
        }
    }

    func listWorkers(
        request: Srv6pm_V1_ListWorkersRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListWorkersResponse {
        try await perform {
            var reply = Srv6pm_V1_ListWorkersResponse()
            reply.workers = meter.router.workers().map { Srv6pm_V1_Worker($0) }
            return reply
        }
    }

    func listBlocks(
        request: Srv6pm_V1_ListBlocksRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_ListBlocksResponse {
        try await perform {
            var reply = Srv6pm_V1_ListBlocksResponse()
            let flow = request.hasFlow ? try request.flow.value(at: "flow") : nil
            reply.blocks = try meter.blocks(of: flow).map { Srv6pm_V1_Block($0) }
            return reply
        }
    }

    func addFlow(
        request: Srv6pm_V1_AddFlowRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_AddFlowResponse {
        try await perform {
            try meter.addFlow(try request.flow.value(at: "flow"))
            return Srv6pm_V1_AddFlowResponse()
        }
    }

    func removeFlow(
        request: Srv6pm_V1_RemoveFlowRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_RemoveFlowResponse {
        try await perform {
            try meter.removeFlow(try request.flow.value(at: "flow"))
            return Srv6pm_V1_RemoveFlowResponse()
        }
    }

    func getColor(
        request: Srv6pm_V1_GetColorRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_GetColorResponse {
        try await perform {
            var reply = Srv6pm_V1_GetColorResponse()
            reply.color = meter.router.activeColor.message
            return reply
        }
    }

    func setColor(
        request: Srv6pm_V1_SetColorRequest, context: ServerContext
    ) async throws -> Srv6pm_V1_SetColorResponse {
        try await perform {
            let color = try MarkColor(request.color, at: "color")
            guard meter.setColor(color) else {
                let period = meter.clock.map { " every \($0.period)" } ?? ""
                throw RPCError(
                    code: .failedPrecondition, message: "color: the color clock switches it\(period), not the operator")
            }
            return Srv6pm_V1_SetColorResponse()
        }
    }

    func watchBlocks(
        request: Srv6pm_V1_WatchBlocksRequest, response: RPCWriter<Srv6pm_V1_Block>, context: ServerContext
    ) async throws {
        guard meter.clock != nil else {
            throw RPCError(
                code: .failedPrecondition, message: "color_clock: not configured, so that no block ever closes")
        }
        do {
            for try await blocks in meter.watch(includeKept: request.includeKept) {
                try await response.write(contentsOf: blocks.map { Srv6pm_V1_Block($0) })
            }
        } catch Meter.WatchEnd.tooSlow {
            throw RPCError(code: .resourceExhausted, message: "the blocks of 16 periods wait to be read")
        } catch Meter.WatchEnd.closing {
            throw RPCError(code: .unavailable, message: "the router ends")
        }
    }

    /// Runs a call on the queue and turns its errors into statuses.
    private func perform<Reply: Sendable>(_ body: @escaping @Sendable () throws -> Reply) async throws -> Reply {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }.mapError(Self.status)) }
        }
    }

    /// The status that a caller gets for an error.
    private static func status(_ error: any Error) -> any Error {
        switch error {
        case let error as FlowError:
            let code: RPCError.Code =
                switch error {
                case .alreadyMonitored: .alreadyExists
                case .indistinguishable, .unsupported: .failedPrecondition
                case .notMonitored: .notFound
                case .tableFull: .resourceExhausted
                }
            return RPCError(code: code, message: "flow: \(error)")
        case let error as ConfigurationError: return RPCError(code: .invalidArgument, message: error.description)
        case let error as RPCError: return error
        default: return RPCError(code: .internalError, message: "\(error)")
        }
    }

    /// Names of interfaces; one that is gone has none.
    private static func names(of indexes: [Int]) -> [UInt32: String] {
        var names: [UInt32: String] = [:]
        for index in Set(indexes) {
            guard let index = UInt32(exactly: index) else { continue }
            var buffer = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
            if unsafe if_indextoname(index, &buffer) != nil {
                names[index] = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
        return names
    }
}
