"""grpc.health.v1 and server reflection, which every gRPC server has.

https://grpc.io/docs/guides/reflection/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from deepfake_serving.runtime.tasks import first_of, until

_REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"


class Health:
    """The health service of a server, with one status for all its services."""

    def __init__(
        self, server: grpc.aio.Server, services: Sequence[str], closing: asyncio.Event
    ) -> None:
        """Adds health and reflection to `server`.

        Args:
            services: full names.
            closing: ends their streams, which clients keep open for as long as they are connected.
        """
        self._services = ("", *services)
        self._servicer: Any = _HealthServicer(closing)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        names = (*services, health.SERVICE_NAME, _REFLECTION_V1, reflection.SERVICE_NAME)
        versions = (reflection.SERVICE_NAME, _REFLECTION_V1)
        server.add_generic_rpc_handlers(tuple(_reflection(v, names, closing) for v in versions))

    async def set(self, ready: bool) -> None:
        """Reports SERVING or NOT_SERVING for every service."""
        status = health_pb2.HealthCheckResponse
        for service in self._services:
            await self._servicer.set(service, status.SERVING if ready else status.NOT_SERVING)


class _HealthServicer(health.aio.HealthServicer):  # type: ignore[name-defined,misc]  # not in its stubs
    """Ends `Watch` when the server closes."""

    def __init__(self, closing: asyncio.Event) -> None:
        super().__init__()
        self._closing = closing

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the protocol's name
        await first_of(super().Watch(request, context), self._closing.wait())


def _reflection(
    version: str, names: Sequence[str], closing: asyncio.Event
) -> grpc.GenericRpcHandler[Any, Any]:
    """Returns the handler of grpc.reflection.v1alpha or v1.

    grpcio-reflection has v1alpha only; the messages are the same on the wire.
    """
    servicer: Any = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]  # not in its stubs

    async def info(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        read = until(closing, aiter(requests))
        async for response in servicer.ServerReflectionInfo(read, context):
            yield response

    method = grpc.stream_stream_rpc_method_handler(
        info,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(version, {"ServerReflectionInfo": method})
