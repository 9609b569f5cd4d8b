"""The job store's health, checked in the background, so that probes and scrapes never wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.runtime.tasks import background, repeat

log = structlog.get_logger(__name__)

_INTERVAL_S = 1.0
_TIMEOUT_S = 2.0

Check = Callable[[], Awaitable[object]]
"""Raises a problem if the store fails."""


class StoreHealth:
    """Whether the job store responds and accepts writes, and the reason if it does not.

    Only operations on jobs need the store, so a gateway without it stays ready for the others.
    """

    def __init__(self, read: Check, write: Check) -> None:
        """`read` and `write` are cheap."""
        self._read, self._write = read, write
        self.reason: str | None = None
        self.refusal: str | None = None
        """Why a store that responds accepts no writes."""

    @property
    def healthy(self) -> bool:
        return self.reason is None

    @property
    def writable(self) -> bool:
        return self.healthy and self.refusal is None

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[None]:
        """Checks the store once, then once a second while the context is open."""
        await self._update()
        async with background(repeat(self._update, _INTERVAL_S, "health of the job store")):
            yield

    async def _update(self) -> None:
        before = self.reason or self.refusal
        self.reason = await _failure(self._read)
        self.refusal = await _failure(self._write) if self.healthy else None
        now = self.reason or self.refusal
        if now and now != before:
            log.warning("job store unhealthy", reason=now)
        elif before and not now:
            log.info("job store healthy again")


async def _failure(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await check()
    except TimeoutError:
        return f"the job store did not respond within {_TIMEOUT_S:g} s"
    except Problem as problem:
        return problem.detail
    except Exception as error:
        return f"the job store failed: {type(error).__name__}"
    return None
