"""The gateway's listeners, in front of no model server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
import pytest

from deepfake_serving.gateway import server
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.settings import load_settings
from tests.support.restarts import assert_restart_is_counted


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
        await assert_restart_is_counted(ports["metrics"], built[0])
