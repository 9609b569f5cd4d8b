"""Waits for changes of jobs, with one poller for all waiters."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.runtime.tasks import background, repeat

_POLL_S = 0.25
_DELETED = 2**62
"""Stands for the version of a deleted job."""

GetVersions = Callable[[Sequence[str]], Awaitable[dict[str, int]]]


class ChangeWatcher:
    """Polls the versions of those jobs that are waited for."""

    def __init__(self, get_versions: GetVersions) -> None:
        self._get_versions = get_versions
        self._waiters: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._versions: dict[str, int] = {}

    async def wait(self, job_id: str, version: int, timeout_s: float) -> bool:
        """Waits until the job has a later version or was deleted; False after the timeout."""
        event = asyncio.Event()
        self._waiters[job_id].add(event)
        try:
            async with asyncio.timeout(timeout_s):
                while self._versions.get(job_id, version) <= version:
                    event.clear()
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters[job_id].discard(event)
            if not self._waiters[job_id]:
                del self._waiters[job_id]
                self._versions.pop(job_id, None)
        return True

    def polling(self) -> AbstractAsyncContextManager[None]:
        """Polls while the context is open."""
        return background(repeat(self._poll, _POLL_S, "changes of jobs"))

    async def _poll(self) -> None:
        if not self._waiters:
            return
        with contextlib.suppress(Problem):  # retried with the next poll
            job_ids = list(self._waiters)
            versions = await self._get_versions(job_ids)
            for job_id in job_ids:
                self._notify(job_id, versions.get(job_id, _DELETED))

    def _notify(self, job_id: str, version: int) -> None:
        events = self._waiters.get(job_id)
        if events is None:  # the last waiter has left meanwhile
            return
        self._versions[job_id] = version
        for event in events:
            event.set()
