"""grpc.health.v1 and server reflection, which every gRPC server has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection


class Health:
    """The health service of a server, with one status for all its services."""

    def __init__(self, server: grpc.aio.Server, services: Sequence[str]) -> None:
        """Adds health and reflection to `server`; `services` are full names."""
        self._services = ("", *services)
        self._servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # not in its stubs
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)

    async def set(self, ready: bool) -> None:
        """Reports SERVING or NOT_SERVING for every service."""
        status = health_pb2.HealthCheckResponse
        for service in self._services:
            await self._servicer.set(service, status.SERVING if ready else status.NOT_SERVING)
