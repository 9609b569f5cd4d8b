"""Replaces workers whose memory has grown, without a failed request.

The memory of a worker is known by its process. One worker at a time is replaced: while nothing is
in flight it is killed, and TorchServe starts another. The only worker of a model gets a second one
first, which serves meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping

import psutil
import structlog

from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.torchserve.client import TorchServeLost, Upstream, WorkerStatus

log = structlog.get_logger(__name__)

_MIN_CHECKS = 10
"""Checks in a row that find a worker over the limit: one alone may be during a large image."""
_POLL_S = 0.05


class Recycler:
    """Follows the memory of all workers, and replaces those over the limit."""

    def __init__(
        self,
        max_growth_bytes: int,
        timeout_s: float,
        admission: Mapping[str, AdmissionController],
        on_recycled: Callable[[str], object],
    ) -> None:
        """
        Args:
            max_growth_bytes: growth of a worker since it was first checked; 0 is no limit.
            timeout_s: limits the start of a worker.
            admission: by model.
            on_recycled: called with the model's name after each replacement.
        """
        self._max_growth_bytes, self._timeout_s = max_growth_bytes, timeout_s
        self._admission, self._on_recycled = admission, on_recycled
        self._first: dict[int, int] = {}
        self._checks: dict[int, int] = {}
        self._replacing: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a worker is being replaced."""
        return self._replacing is not None and not self._replacing.done()

    async def check(self, model: ServedModel, upstream: Upstream) -> None:
        """Checks a model's ready workers. A replacement goes on in the background."""
        if not self._max_growth_bytes or self.busy:
            return
        for worker in await upstream.workers(model):
            if worker.ready and worker.pid is not None and self._is_over(worker.pid):
                replacing = self._try_replace(model, worker.pid, upstream)
                self._replacing = asyncio.create_task(replacing)
                return

    async def stop(self) -> None:
        """Ends a replacement."""
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)

    def _is_over(self, pid: int) -> bool:
        try:
            resident: int = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return False
        over = resident - self._first.setdefault(pid, resident) > self._max_growth_bytes
        self._checks[pid] = self._checks.get(pid, 0) + 1 if over else 0
        return self._checks[pid] >= _MIN_CHECKS

    async def _try_replace(self, model: ServedModel, pid: int, upstream: Upstream) -> None:
        first = self._first.pop(pid)
        del self._checks[pid]
        log.info("worker recycled", model=model.name, pid=pid, bytes_at_first=first)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._replace(model, pid, upstream)
        except (TimeoutError, TorchServeLost) as error:
            log.warning("worker not recycled", model=model.name, pid=pid, reason=repr(error))
            return
        self._on_recycled(model.name)

    async def _replace(self, model: ServedModel, pid: int, upstream: Upstream) -> None:
        admission = self._admission[model.name]
        alone = model.workers == 1
        if alone:
            await upstream.scale(model, 2)
            await self._ready(model, upstream, 2)
        async with admission.exclusive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await self._until(model, upstream, lambda found: pid not in _ready_pids(found))
        await self._ready(model, upstream, 2 if alone else model.workers)
        if alone:  # TorchServe stops the worker that was added last
            async with admission.exclusive():
                await upstream.scale(model, 1)
                await self._until(model, upstream, lambda found: len(found) == 1)

    async def _ready(self, model: ServedModel, upstream: Upstream, count: int) -> None:
        await self._until(model, upstream, lambda found: len(_ready_pids(found)) >= count)

    async def _until(
        self, model: ServedModel, upstream: Upstream, true: Callable[[list[WorkerStatus]], bool]
    ) -> None:
        while not true(await upstream.workers(model)):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_POLL_S)


def _ready_pids(workers: list[WorkerStatus]) -> set[int | None]:
    return {worker.pid for worker in workers if worker.ready}
