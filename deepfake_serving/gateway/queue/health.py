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


class StoreHealth:
    """Whether the job store responds, and the reason if it does not.

    Only operations on jobs need the store, so a gateway without it stays ready for the others.
    """

    def __init__(self, check: Callable[[], Awaitable[object]]) -> None:
        """`check` is a cheap read; it raises a problem if the store fails."""
        self._check = check
        self.reason: str | None = None

    @property
    def healthy(self) -> bool:
        return self.reason is None

    @asynccontextmanager
    async def monitor(self) -> AsyncIterator[None]:
        """Checks the store once, then once a second while the context is open."""
        await self._update()
        async with background(repeat(self._update, _INTERVAL_S, "health of the job store")):
            yield

    async def _update(self) -> None:
        before, self.reason = self.reason, await self._failure()
        if self.reason and not before:
            log.warning("job store unhealthy", reason=self.reason)
        elif before and not self.reason:
            log.info("job store healthy again")

    async def _failure(self) -> str | None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._check()
        except TimeoutError:
            return f"the job store did not respond within {_TIMEOUT_S:g} s"
        except Problem as problem:
            return problem.detail
        except Exception as error:
            return f"the job store failed: {type(error).__name__}"
        return None
