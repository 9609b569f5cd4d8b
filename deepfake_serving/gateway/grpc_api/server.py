"""The gRPC server: the operations of REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.call import Call
from deepfake_serving.gateway.grpc_api.detector import DetectorService
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.runtime.rpc.errors import parse
from deepfake_serving.runtime.rpc.health import Health
from deepfake_serving.runtime.rpc.options import server_options
from deepfake_serving.runtime.rpc.request_scope import GrpcRequestScope
from deepfake_serving.runtime.rpc.wire import check_items

ServicerContext = Any

_DETECTOR = detector_pb2.DESCRIPTOR.services_by_name["Detector"]
_BATCH = detector_pb2.DetectBatchRequest
_INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERVICES = (_DETECTOR.full_name, _INFERENCE.full_name)
_MESSAGE_OVERHEAD = 64 * 1024
"""Bytes of a message besides its image."""
_HEALTH_INTERVAL_S = 0.5
_WITH_ID = tuple(f"/{_DETECTOR.full_name}/{name}" for name in ("DetectImage", "DetectBatch"))
"""The methods whose messages have an id of the request; other ids are of jobs."""


def build_server(gateway: Gateway, stack: AsyncExitStack) -> tuple[grpc.aio.Server, Health]:
    """Builds a server with all services, not yet bound or started, and its health service.

    Args:
        stack: closes the services' upstream channels.
    """
    server = grpc.aio.server(options=_options(gateway))
    inference = InferenceService(gateway)
    stack.push_async_callback(inference.close)
    services = {_DETECTOR: DetectorService(gateway), _INFERENCE: inference}
    for descriptor, service in services.items():
        handlers = {m.name: _handler(gateway, service, m) for m in descriptor.methods}
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))
    return server, Health(server, _SERVICES)


def _options(gateway: Gateway) -> list[tuple[str, int]]:
    options = server_options(gateway.settings.max_image_bytes * 2 + _MESSAGE_OVERHEAD)
    age_s = gateway.settings.grpc_connection_age_s
    if age_s:
        options.append(("grpc.max_connection_age_ms", int(age_s * 1000)))
    return options


async def follow_health(health: Health, gateway: Gateway) -> None:
    """Keeps the status of grpc.health.v1 equal to that of /readyz, until it is cancelled."""
    while True:
        await health.set(not await gateway.unready_reasons())
        await asyncio.sleep(_HEALTH_INTERVAL_S)


def _handler(gateway: Gateway, service: Any, method: MethodDescriptor) -> Any:
    """Returns the handler of a unary or streaming method.

    It parses messages itself: gRPC would end a malformed one with UNKNOWN.
    """
    implementation = getattr(service, method.name)
    message_type = GetMessageClass(method.input_type)
    serialize = GetMessageClass(method.output_type).SerializeToString
    route = f"/{method.containing_service.full_name}/{method.name}"

    def parse_request(data: Any) -> Any:
        if method.client_streaming:
            return _parse_stream(message_type, data)
        if message_type is _BATCH:
            max_items = gateway.settings.max_batch_items
            check_items(data, _BATCH.IMAGES_FIELD_NUMBER, max_items, "images")
        return parse(message_type, data)

    def read_request(data: Any) -> tuple[Any, Problem | None]:
        """Returns the message, or the problem that it has."""
        try:
            return parse_request(data), None
        except Problem as invalid:
            return None, invalid

    async def unary(data: Any, context: ServicerContext) -> Any:
        request, invalid = read_request(data)
        message_id = getattr(request, "id", None) if route in _WITH_ID else None
        scope = GrpcRequestScope(route, context, gateway.metrics, message_id=message_id)
        async with scope:
            if invalid is not None:
                raise invalid
            return await implementation(request, _call(scope, context))

    async def streaming(data: Any, context: ServicerContext) -> AsyncIterator[Any]:
        async with (scope := GrpcRequestScope(route, context, gateway.metrics)):
            async for message in implementation(parse_request(data), _call(scope, context)):
                yield message

    build = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return build(streaming if method.server_streaming else unary, response_serializer=serialize)


def _call(scope: GrpcRequestScope, context: ServicerContext) -> Call:
    return Call(scope.request_scope, scope.metadata, context.time_remaining())


async def _parse_stream(
    message_type: type[Any], messages: AsyncIterator[bytes]
) -> AsyncIterator[Any]:
    async for data in messages:
        yield parse(message_type, data)
