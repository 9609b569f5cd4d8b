"""Shadow traffic: a share of the images that clients send is analysed by a shadow pool too.

A copy is made after the client's verdict is known, in a task of its own. It can neither delay nor
fail the client's request: past a limit of bytes that are held, copies are dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import structlog

from deepfake_serving.gateway.shadow.metrics import ShadowMetrics
from deepfake_serving.gateway.upstream.config import PoolSpec
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.gateway.upstream.replicas import Replica

log = structlog.get_logger(__name__)


class ShadowTraffic:
    """The copies of one process. They are sent within `running`."""

    def __init__(
        self, pools: Pools, metrics: ShadowMetrics, *, max_bytes: int, timeout_s: float
    ) -> None:
        """
        Args:
            max_bytes: the most bytes of images that copies hold at once.
            timeout_s: the maximum duration of one copy.
        """
        self._pools, self._metrics = pools, metrics
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._shadows = [pool for pool in pools.routing.pools if pool.shadow is not None]
        self._tasks: set[asyncio.Task[None]] = set()
        self.held_bytes = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cancels the remaining copies at the end."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def offer(self, image: bytes, model: str, verdict: bytes) -> None:
        """Sends a copy to each shadow pool whose share includes this request; waits for nothing.

        Args:
            verdict: the JSON that the client gets.
        """
        for pool in self._shadows:
            if pool.models and model not in pool.models:
                continue
            if random.random() < (pool.shadow or 0.0):
                self._start(pool, image, model, verdict)

    def _start(self, pool: PoolSpec, image: bytes, model: str, verdict: bytes) -> None:
        size = len(image)
        if self.held_bytes + size > self._max_bytes:
            self._metrics.count(pool.name, model, "dropped")
            return
        self.held_bytes += size
        task = asyncio.create_task(self._copy(pool, image, model, verdict))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, size))

    def _finished(self, task: asyncio.Task[None], size: int) -> None:
        self._tasks.discard(task)
        self.held_bytes -= size

    async def _copy(self, pool: PoolSpec, image: bytes, model: str, verdict: bytes) -> None:
        replica = self._pools.choose_shadow(pool, model)
        if replica is None:
            self._metrics.count(pool.name, model, "unavailable")
            return
        try:
            copy = await self._send(replica, image, model)
            self._metrics.compare(pool.name, model, orjson.loads(verdict), copy)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, AttributeError) as error:
            self._metrics.count(pool.name, model, "failed")
            log.info("shadow request failed", pool=pool.name, model=model, reason=repr(error))

    async def _send(self, replica: Replica, image: bytes, model: str) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Request-Timeout": f"{self._timeout_s:.3f}",
        }
        url = f"{replica.url}/predictions/{model}"
        with replica.track_request():
            async with self._pools.session.post(
                url,
                data=image,
                headers=headers,
                timeout=timeout,
                raise_for_status=True,
                server_hostname=replica.pool.server_name,
            ) as response:
                document: dict[str, Any] = orjson.loads(await response.read())
                return document
