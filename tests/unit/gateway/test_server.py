"""The gateway's listeners, in front of no model server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import grpc.aio
import pytest

from deepfake_serving.gateway import server
from deepfake_serving.gateway.context import Gateway
from tests.support.listening_gateway import listening_gateway
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
    async with listening_gateway(tmp_path) as (_, ports):
        await assert_restart_is_counted(ports["metrics"], built[0])
