"""A Redis behind one address, such as a proxy's, that is replaced by its replica."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.queue.store import open_store
from tests.support.redis_server import RedisServer, as_admin, redis_program


class Front:
    """A proxy whose new connections lead to another server, while open ones stay."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(self.server.socket)
        with contextlib.closing(to_writer), contextlib.closing(writer):
            await asyncio.gather(_pass(reader, to_writer), _pass(to_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_connections_to_a_demoted_server_are_opened_again(tmp_path: Path) -> None:
    servers = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        servers.append(RedisServer(redis_program(), tmp_path / name))
        servers[-1].start()
    front = Front(servers[0])
    async with await asyncio.start_server(front, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with open_store(f"redis://127.0.0.1:{port}", max_queued=9, max_attempts=1) as store:
            await store.submit(_job("a"))
            with as_admin(servers[0].url) as demoted:
                demoted.replicaof("127.0.0.1", 1)
            front.server = servers[1]
            with pytest.raises(UpstreamUnavailable, match="read-only"):
                await store.submit(_job("b"))
            await store.submit(_job("c"))
            assert [job.id for job in (await store.list())[0]] == ["c"]
    for server in servers:
        server.kill()


def _job(name: str) -> Job:
    return Job(name, "video", "queued", Source("a"), {}, 1000.0)
