"""A gRPC server that is started again if it has ended by itself.

grpc.aio accepts calls in a task of its own. An exception there (grpcio 1.84 raises one for a path
that is not UTF-8) closes the port for good, and nothing in its API reports that. So the port is
watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import grpc.aio
import structlog

from deepfake_serving.runtime.listeners import without_missing_ipv6
from deepfake_serving.runtime.process.shutdown import CLOSE_S
from deepfake_serving.runtime.settings import SettingsError
from deepfake_serving.runtime.tasks import background, repeat

log = structlog.get_logger(__name__)

Build = Callable[[AsyncExitStack], grpc.aio.Server]
"""Builds a server, not yet bound or started. The stack closes with it."""
Bind = Callable[[grpc.aio.Server, int], int]
"""Binds a server to a port, 0 for a free one; returns the port. Raises `SettingsError`."""

_CHECK_INTERVAL_S = 1.0


class GrpcListener:
    """A port, and the gRPC server that serves it now."""

    def __init__(self, build: Build, bind: Bind, on_restart: Callable[[], object]) -> None:
        """`on_restart` is called before each start of another server, which may fail."""
        self._build, self._bind, self._on_restart = build, bind, on_restart
        self._stack = AsyncExitStack()
        self._changing = asyncio.Lock()
        self._stopped = False

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Serves while the block runs; yields the port.

        Calls that are in flight on exit are cancelled after a moment: `stop` is for a drain.

        Args:
            host: an address at which this process reaches the port.
            port: 0 for a free one.

        Raises:
            SettingsError: the port can't be bound.
        """
        async with self._stack:
            self._port = port
            await self._start()
            try:
                watch = partial(self._watch, host)
                async with background(repeat(watch, _CHECK_INTERVAL_S, "gRPC server")):
                    yield self._port
            finally:
                await self.stop(CLOSE_S)

    async def stop(self, timeout_s: float) -> None:
        """Accepts no more calls, and waits up to `timeout_s` seconds for those in flight."""
        async with self._changing:
            self._stopped = True
            await self._server.stop(timeout_s)

    async def _start(self) -> None:
        self._server = self._build(self._stack)
        self._port = self._bind(self._server, self._port)
        await self._server.start()

    async def _watch(self, host: str) -> None:
        if await _refuses(host, self._port):
            async with self._changing:
                if not self._stopped:
                    await self._restart()

    async def _restart(self) -> None:
        log.error("gRPC server ended, starting another", port=self._port)
        self._on_restart()
        with contextlib.suppress(Exception):  # what ended it
            await self._server.stop(None)
        await self._stack.aclose()
        try:
            await self._start()
        except SettingsError as error:
            log.warning("gRPC server not started", detail=str(error))


async def _refuses(host: str, port: int) -> bool:
    """Returns whether nothing listens on a TCP port of this machine."""
    try:
        _, writer = await asyncio.open_connection(without_missing_ipv6(host), port)
    except OSError as error:
        # Any other number proves nothing, such as too many open files. None is asyncio's for a name
        # whose addresses fail in different ways: they refuse, or can't be reached.
        return error.errno in (errno.ECONNREFUSED, None)
    writer.close()
    return False
