"""The gateway's listeners, in front of no model server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
import httpx
import pytest

from deepfake_serving.gateway import server
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.settings import load_settings
from tests.support.running import GUARD_S


async def test_restarts_of_the_grpc_server_are_counted_from_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = server.build_server

    def keep(gateway: Gateway, stack: AsyncExitStack) -> grpc.aio.Server:
        built.append(build(gateway, stack))
        return built[-1]

    monkeypatch.setattr(server, "build_server", keep)
    settings = load_settings(
        host="127.0.0.1",
        http_port=0,
        grpc_port=0,
        metrics_port=0,
        jobs=f"sqlite:///{tmp_path}/jobs.sqlite",
        objects=f"file://{tmp_path}/objects",
        drain_timeout_s=0.1,
    )
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(server.open_gateway(settings))
        ports, _ = await server._listen(stack, gateway)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=GUARD_S))
        url = f"http://127.0.0.1:{ports['metrics']}/metrics"
        assert "deepfake_grpc_server_restarts_total 0.0" in (await client.get(url)).text
        await built[0].stop(None)
        async with asyncio.timeout(GUARD_S):
            while "deepfake_grpc_server_restarts_total 1.0" not in (await client.get(url)).text:
                await asyncio.sleep(0.02)
