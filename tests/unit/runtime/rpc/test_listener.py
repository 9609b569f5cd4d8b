"""The gRPC listener: a server that ended by itself is replaced, on the same port."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import grpc.aio
import pytest

from deepfake_serving.runtime.listeners import bind_grpc, open_listener
from deepfake_serving.runtime.rpc.health import Health
from deepfake_serving.runtime.rpc.listener import GrpcListener
from deepfake_serving.runtime.settings import SettingsError
from tests.support.running import GUARD_S

SERVICE = "a.B"
CHECK = "/grpc.health.v1.Health/Check"


class Servers:
    """Builds servers with the health service, keeps them, and counts restarts."""

    def __init__(self) -> None:
        self.built: list[grpc.aio.Server] = []
        self.closed = 0
        self.restarts = 0

    def build(self, stack: AsyncExitStack) -> grpc.aio.Server:
        server = grpc.aio.server()
        health = Health(server, (SERVICE,), asyncio.Event())
        setting = asyncio.create_task(health.set(True))
        stack.push_async_callback(asyncio.wait, {setting})
        stack.callback(self._close)
        self.built.append(server)
        return server

    def count_restart(self) -> None:
        self.restarts += 1

    def _close(self) -> None:
        self.closed += 1


def listener_on(host: str, servers: Servers) -> GrpcListener:
    bind = partial(bind_grpc, host, variable="PORT")
    return GrpcListener(servers.build, bind, servers.count_restart)


async def serves(host: str, port: int) -> bool:
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        try:
            await channel.unary_unary(CHECK)(b"", timeout=GUARD_S)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - or there is none
            return False
        return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GUARD_S):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_a_server_that_ended_is_replaced_on_its_port(host: str) -> None:
    servers = Servers()
    async with listener_on(host, servers).listening(host, 0) as port:
        assert await serves(host, port)
        assert servers.restarts == 0
        await servers.built[0].stop(None)  # the listener is not notified
        await until(lambda: len(servers.built) == 2)
        async with asyncio.timeout(GUARD_S):
            while not await serves(host, port):
                await asyncio.sleep(0.02)
        assert servers.closed == 1, "what belonged to the first"
    assert not await serves(host, port)
    assert (len(servers.built), servers.closed, servers.restarts) == (2, 2, 1)


async def test_it_waits_while_another_process_has_the_port() -> None:
    servers = Servers()
    async with listener_on("127.0.0.1", servers).listening("127.0.0.1", 0) as port:
        await servers.built[0].stop(None)
        taken = holder_of(port)  # before the loop gets to the listener's check
        await until(lambda: len(servers.built) >= 3)
        taken.close()
        async with asyncio.timeout(GUARD_S):
            while not await serves("127.0.0.1", port):
                await asyncio.sleep(0.02)
    assert servers.restarts == len(servers.built) - 1, "failed ones too"


async def test_a_stopped_server_is_not_replaced() -> None:
    servers = Servers()
    listener = listener_on("127.0.0.1", servers)
    async with listener.listening("127.0.0.1", 0):
        await listener.stop(1)
        await asyncio.sleep(2.5)  # more than two checks
    assert (len(servers.built), servers.restarts) == (1, 0)


async def test_a_busy_server_is_not_replaced() -> None:
    """Connections that wait to be accepted, or that can't be opened, prove nothing."""
    servers = Servers()
    async with listener_on("127.0.0.1", servers).listening("127.0.0.1", 0) as port:
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        await asyncio.sleep(2.5)
        for _, writer in connections:
            writer.close()
        assert await serves("127.0.0.1", port)
    assert len(servers.built) == 1


async def test_a_port_in_use_is_a_wrong_setting() -> None:
    servers = Servers()
    with open_listener("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match="PORT"):
            async with listener_on("127.0.0.1", servers).listening("127.0.0.1", port):
                pass
    assert servers.closed == 1


def holder_of(port: int) -> socket.socket:
    """Returns a socket that is bound to the port, and refuses connections, once it is free."""
    while True:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            time.sleep(0.01)
        else:
            return holder
