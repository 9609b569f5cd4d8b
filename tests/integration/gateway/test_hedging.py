"""Hedged images, in front of a model server and of a way to it that stalls."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]
KNOWN = 120
"""More images than a gateway needs to know how long they take."""


class StallingProxy:
    """Forwards connections to a port; while it stalls, predictions that it is sent get no response.

    Health checks do: a replica that fails them gets no requests, and so none to hedge.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.flowing = asyncio.Event()
        self.flowing.set()

    @contextlib.contextmanager
    def stalling(self) -> Iterator[None]:
        self.flowing.clear()
        try:
            yield
        finally:
            self.flowing.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.closing(to_writer), contextlib.closing(writer):
            back = asyncio.create_task(self._forward(to_reader, writer))
            await self._forward(reader, to_writer)
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(2**16):
                if b"POST /predictions/" in data:
                    await self.flowing.wait()
                writer.write(data)
                await writer.drain()


async def test_the_other_replica_responds_for_one_that_stalls(
    server: RunningServer, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    proxy = StallingProxy(urlsplit(server.url).port or 0)
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as front:
        urls = (server.url, f"http://127.0.0.1:{front.sockets[0].getsockname()[1]}")
        opening = asyncio.to_thread(RunningGateway.start, tmp_path, *urls, hedge_share=0.1)
        with await opening as gateway:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=GUARD_S) as api:
                for _ in range(KNOWN):
                    await _detect(api, astronaut_jpeg)
                with proxy.stalling():
                    # Each goes to one of the two at random. On a busy machine others may have been
                    # hedged just before, so the share may be used up: such an image times out.
                    while not await _won_by_second(gateway):
                        await _detect(api, astronaut_jpeg, timeout_s=5, or_status=504)


async def _detect(
    api: httpx.AsyncClient, image: bytes, *, timeout_s: int = 60, or_status: int | None = None
) -> None:
    headers = {"X-Request-Timeout": str(timeout_s)}
    response = await api.post("/v1/images", content=image, headers=headers)
    if response.status_code != or_status:
        assert (response.status_code, response.json()["verdict"]) == (200, "real")


async def _won_by_second(gateway: RunningGateway) -> float:
    async with httpx.AsyncClient(timeout=GUARD_S) as api:
        text = (await api.get(f"http://127.0.0.1:{gateway.ports['metrics']}/metrics")).text
    counts = re.findall(r'^deepfake_upstream_hedges_total\{.*first="second".*\} (\S+)$', text, re.M)
    return sum(map(float, counts))
