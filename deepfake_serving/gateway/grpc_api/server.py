"""gRPC: the same operations as REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.detector import Call, DetectorService
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.runtime.grpc_errors import parse
from deepfake_serving.runtime.grpc_health import Health
from deepfake_serving.runtime.grpc_scope import GrpcRequestScope

Context = Any

_DETECTOR = detector_pb2.DESCRIPTOR.services_by_name["Detector"]
_INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERVICES = (_DETECTOR.full_name, _INFERENCE.full_name)
_ROOM = 64 * 1024
"""Bytes of a message besides its picture."""


def build_server(gateway: Gateway, stack: AsyncExitStack) -> tuple[grpc.aio.Server, Health]:
    """A server with all services, not yet bound or started, and its health service.

    What it opens besides is closed with `stack`.
    """
    limit = gateway.settings.max_image_bytes * 2 + _ROOM
    options = [
        ("grpc.max_receive_message_length", limit),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    age_s = gateway.settings.grpc_connection_age_s
    if age_s:
        options.append(("grpc.max_connection_age_ms", int(age_s * 1000)))
    server = grpc.aio.server(options=options)
    inference = InferenceService(gateway)
    stack.push_async_callback(inference.close)
    services = {_DETECTOR: DetectorService(gateway), _INFERENCE: inference}
    for descriptor, service in services.items():
        handlers = {m.name: _handler(gateway, service, m) for m in descriptor.methods}
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))
    return server, Health(server, _SERVICES)


async def follow_health(health: Health, gateway: Gateway) -> None:
    """Keeps grpc.health.v1 in step with /readyz."""
    while True:
        await health.set(not await gateway.unready())
        await asyncio.sleep(0.5)


def _handler(gateway: Gateway, service: Any, method: MethodDescriptor) -> Any:
    """A method for gRPC, streaming or not, which takes messages unparsed: gRPC answers UNKNOWN to
    one that is broken."""
    answer = getattr(service, method.name)
    kind = GetMessageClass(method.input_type)
    serialize = GetMessageClass(method.output_type).SerializeToString
    route = f"/{method.containing_service.full_name}/{method.name}"

    def taken(given: Any) -> Any:
        return _parsed(kind, given) if method.client_streaming else parse(kind, given)

    async def unary(given: Any, context: Context) -> Any:
        async with (scope := GrpcRequestScope(route, context, gateway.metrics)):
            return await answer(taken(given), _call(scope, context))

    async def streaming(given: Any, context: Context) -> AsyncIterator[Any]:
        async with (scope := GrpcRequestScope(route, context, gateway.metrics)):
            async for message in answer(taken(given), _call(scope, context)):
                yield message

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return make(streaming if method.server_streaming else unary, response_serializer=serialize)


def _call(scope: GrpcRequestScope, context: Context) -> Call:
    return Call(scope.request_scope, scope.metadata, context.time_remaining())


async def _parsed(kind: type[Any], messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for data in messages:
        yield parse(kind, data)
