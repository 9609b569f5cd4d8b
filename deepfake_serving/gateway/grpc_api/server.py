"""gRPC: the same operations as REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.detector import Call, DetectorService
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.runtime.grpc_errors import abort, parse
from deepfake_serving.runtime.request_scope import CANCELLED, RequestScope, as_problem

Context = Any

_DETECTOR = detector_pb2.DESCRIPTOR.services_by_name["Detector"]
_INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERVICES = (_DETECTOR.full_name, _INFERENCE.full_name)
_ROOM = 64 * 1024
"""Bytes of a message besides its picture."""


def build_server(gateway: Gateway, stack: AsyncExitStack) -> tuple[grpc.aio.Server, Any]:
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
    checker = health.aio.HealthServicer()  # type: ignore[attr-defined]  # its stubs lack aio
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    names = (*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server, checker


async def follow_health(checker: Any, gateway: Gateway) -> None:
    """Keeps grpc.health.v1 saying what /readyz says."""
    while True:
        status = (
            health_pb2.HealthCheckResponse.NOT_SERVING
            if await gateway.unready()
            else health_pb2.HealthCheckResponse.SERVING
        )
        for service in ("", *_SERVICES):
            await checker.set(service, status)
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
        async with _Exchanging(gateway, route, context) as call:
            return await _answer(answer, taken(given), call)

    async def streaming(given: Any, context: Context) -> AsyncIterator[Any]:
        async with _Exchanging(gateway, route, context) as call:
            async for message in answer(taken(given), call):
                yield message

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return make(streaming if method.server_streaming else unary, response_serializer=serialize)


async def _answer(method: Callable[..., Awaitable[Any]], request: Any, call: Call) -> Any:
    return await method(request, call)


class _Exchanging:
    """Around every call, what the middleware is around every HTTP request."""

    def __init__(self, gateway: Gateway, route: str, context: Context) -> None:
        self.gateway, self.context = gateway, context
        metadata = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        self.metadata = metadata
        self.exchange = RequestScope(
            route, metadata.get("x-request-id"), metadata.get("traceparent")
        )

    async def __aenter__(self) -> Call:
        self.context.set_trailing_metadata((("x-request-id", self.exchange.id),))
        return Call(self.exchange, self.metadata, self.context.time_remaining())

    async def __aexit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        metrics = self.gateway.metrics
        if error is None:
            self.exchange.end(200, metrics)
        elif isinstance(error, Exception):
            problem = as_problem(error, self.exchange)
            self.exchange.end(problem.status, metrics, problem)
            await abort(self.context, problem, self.exchange.id)
        else:
            self.exchange.end(CANCELLED, metrics)


async def _parsed(kind: type[Any], messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for data in messages:
        yield parse(kind, data)
