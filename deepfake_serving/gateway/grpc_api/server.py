"""The gRPC server: the operations of REST, with problems as `google.rpc.Status` details."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import grpc.aio

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2
from deepfake_serving.contracts.protos.inference import open_inference_pb2
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.grpc_api.detector import DetectorService
from deepfake_serving.gateway.grpc_api.handlers import MAX_CALLS, HandlerFactory, max_message_bytes
from deepfake_serving.gateway.grpc_api.inference import InferenceService
from deepfake_serving.gateway.grpc_api.keyless import KEYLESS_BYTES, KeylessLimits
from deepfake_serving.gateway.grpc_api.message_memory import MessageMemory
from deepfake_serving.runtime.rpc.health import Health
from deepfake_serving.runtime.rpc.options import server_options
from deepfake_serving.runtime.tasks import repeat

_DETECTOR = detector_pb2.DESCRIPTOR.services_by_name["Detector"]
_INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERVICES = (_DETECTOR.full_name, _INFERENCE.full_name)
_KEYLESS_MESSAGES = 2
"""Messages that are read at once for calls that need no key. They are a few bytes."""
_KEYLESS_TIMEOUT_S = 2.0
_MAX_STREAMS = 256
"""Concurrent calls of one connection; gRPC clients queue further ones."""
_PING_TIMEOUT_S = 10.0
"""A client that does not acknowledge a ping for this long has vanished."""
_UNLIMITED = 0
_HEALTH_INTERVAL_S = 0.5


def build_server(gateway: Gateway, stack: AsyncExitStack) -> grpc.aio.Server:
    """Builds a server with all services, not yet bound or started.

    Args:
        stack: closes the services' upstream channels, and ends the updates of the health status.
    """
    longest = max_message_bytes(gateway)
    keyless = MessageMemory(_KEYLESS_MESSAGES * longest, longest, _KEYLESS_TIMEOUT_S, KEYLESS_BYTES)
    server = grpc.aio.server(
        interceptors=[KeylessLimits(tuple(f"/{name}/" for name in _SERVICES), keyless)],
        options=_options(gateway),
        maximum_concurrent_rpcs=MAX_CALLS,
    )
    inference = InferenceService(gateway)
    stack.push_async_callback(inference.close)
    services = {_DETECTOR: DetectorService(gateway), _INFERENCE: inference}
    handler = HandlerFactory(gateway, keyless)
    for descriptor, service in services.items():
        handlers = {m.name: handler(service, m) for m in descriptor.methods}
        generic = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))
    health = Health(server, _SERVICES, gateway.in_flight.closing)

    async def follow_readiness() -> None:
        await health.set(not gateway.unready_reasons())

    following = asyncio.create_task(
        repeat(follow_readiness, _HEALTH_INTERVAL_S, "health status of gRPC")
    )
    stack.callback(following.cancel)
    return server


def _options(gateway: Gateway) -> list[tuple[str, int]]:
    settings = gateway.settings
    limits_s = {
        "grpc.max_connection_idle_ms": settings.grpc_idle_timeout_s,
        "grpc.server_handshake_timeout_ms": settings.upload_stall_timeout_s,
        "grpc.keepalive_time_ms": settings.grpc_keepalive_s,
        "grpc.keepalive_timeout_ms": _PING_TIMEOUT_S,
    }
    return [
        *server_options(max_message_bytes(gateway), settings.grpc_connection_age_s),
        ("grpc.max_concurrent_streams", _MAX_STREAMS),
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.http2.max_pings_without_data", _UNLIMITED),
        *((name, int(limit * 1000)) for name, limit in limits_s.items() if limit),
    ]
