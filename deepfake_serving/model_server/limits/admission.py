"""Who may go to TorchServe now, who waits, and who is told to come back later."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deepfake_serving.contracts.problems import DeadlineExceeded, Overloaded


class AdmissionController:
    """Bounds one model's requests: `max_in_flight` at TorchServe, `max_queue` waiting, in order."""

    def __init__(self, max_in_flight: int, max_queue: int) -> None:
        self.max_in_flight, self.max_queue = max_in_flight, max_queue
        self.in_flight = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(max_in_flight)
        self._service_s = 0.0
        self._learned = 0

    @asynccontextmanager
    async def admit(self, deadline: float) -> AsyncIterator[None]:
        """Holds a place in flight.

        Args:
            deadline: on the loop's clock (`loop.time()`).

        Raises:
            Overloaded: the queue is full, or too long for the deadline: better said at once.
            DeadlineExceeded: the place did not come in time after all.
        """
        loop = asyncio.get_running_loop()
        await self._enter(deadline, deadline - loop.time())
        begun = loop.time()
        self.in_flight += 1
        served = True
        try:
            yield
        except asyncio.CancelledError:  # who hangs up says nothing of how long service takes
            served = False
            raise
        finally:
            self.in_flight -= 1
            self._free.release()
            if served:
                self._learn(loop.time() - begun)

    async def _enter(self, deadline: float, left_s: float) -> None:
        if left_s <= 0:
            raise DeadlineExceeded("the deadline passed before the request could be admitted")
        if self._free.locked():
            self._refuse_if_hopeless(left_s)
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed while waiting for a place") from None
        finally:
            self.waiting -= 1

    def _refuse_if_hopeless(self, left_s: float) -> None:
        wait = self.expected_wait_s()
        retry = max(1, math.ceil(wait))
        if self.waiting >= self.max_queue:
            raise Overloaded(
                f"{self.waiting} requests wait already; the bound is {self.max_queue}",
                retry_after_s=retry,
            )
        if wait > left_s:
            raise Overloaded(
                f"the queue takes about {wait:.1f} s; the deadline is in {left_s:.1f} s",
                retry_after_s=retry,
            )

    def expected_wait_s(self) -> float:
        """How long one who comes now would wait, by what recent requests took."""
        if not self._free.locked():
            return 0.0
        return (self.waiting + 1) * self._service_s / self.max_in_flight

    def _learn(self, seconds: float) -> None:
        """An average over about ten rounds of all places.

        A worker's restart, which is no service, makes a whole round late at once; so what is late
        counts as ten times the average at most, and a restart can't even treble it.
        """
        self._learned += 1
        weight = max(1 / self._learned, 0.1 / self.max_in_flight)
        if self._service_s:
            seconds = min(seconds, 10 * self._service_s)
        self._service_s += weight * (seconds - self._service_s)
