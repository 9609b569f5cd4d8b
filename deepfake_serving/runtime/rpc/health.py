"""grpc.health.v1 and server reflection, which every gRPC server has.

https://grpc.io/docs/guides/reflection/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class Health:
    """The health service of a server, with one status for all its services."""

    def __init__(self, server: grpc.aio.Server, services: Sequence[str]) -> None:
        """Adds health and reflection to `server`; `services` are full names."""
        self._services = ("", *services)
        self._servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # not in its stubs
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        names = (*services, health.SERVICE_NAME, _REFLECTION_V1, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        server.add_generic_rpc_handlers((_reflection_v1(names),))

    async def set(self, ready: bool) -> None:
        """Reports SERVING or NOT_SERVING for every service."""
        status = health_pb2.HealthCheckResponse
        for service in self._services:
            await self._servicer.set(service, status.SERVING if ready else status.NOT_SERVING)


def _reflection_v1(names: Sequence[str]) -> grpc.GenericRpcHandler[Any, Any]:
    """Returns the handler of grpc.reflection.v1.

    grpcio-reflection has v1alpha only, whose messages are the same on the wire.
    """
    servicer: Any = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]  # not in its stubs
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(_REFLECTION_V1, {"ServerReflectionInfo": method})
