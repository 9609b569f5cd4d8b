"""The count of restarts of a gRPC server, at a metrics port."""

from __future__ import annotations

import asyncio

import grpc.aio
import httpx

from tests.support.running import GUARD_S


async def assert_restart_is_counted(metrics_port: int, server: grpc.aio.Server) -> None:
    """Checks that the count is zero, ends the server, and waits until it is one."""
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    async with httpx.AsyncClient(timeout=GUARD_S) as client:
        assert "deepfake_grpc_server_restarts_total 0.0" in (await client.get(url)).text
        await server.stop(None)
        async with asyncio.timeout(GUARD_S):
            while "deepfake_grpc_server_restarts_total 1.0" not in (await client.get(url)).text:
                await asyncio.sleep(0.02)
