"""Admission control: which requests run now, which wait, and which are refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deepfake_serving.contracts.problems import DeadlineExceeded, Overloaded


class AdmissionController:
    """Limits one model's requests: `max_in_flight` at TorchServe, `max_queue` in a FIFO queue."""

    def __init__(self, max_in_flight: int, max_queue: int) -> None:
        self.max_in_flight, self.max_queue = max_in_flight, max_queue
        self.in_flight = 0
        self.waiting = 0
        self._slots = asyncio.Semaphore(max_in_flight)
        self._service_s = 0.0
        self._observations = 0

    @asynccontextmanager
    async def admit(self, deadline: float) -> AsyncIterator[None]:
        """Holds a slot while the block runs.

        Args:
            deadline: on the loop's clock (`loop.time()`).

        Raises:
            Overloaded: the queue is full, or too long for the deadline.
            DeadlineExceeded: no slot became free before the deadline.
        """
        loop = asyncio.get_running_loop()
        await self._acquire_slot(deadline, deadline - loop.time())
        start = loop.time()
        self.in_flight += 1
        served = True
        try:
            yield
        except asyncio.CancelledError:  # a disconnect is no measure of the service time
            served = False
            raise
        finally:
            self.in_flight -= 1
            self._slots.release()
            if served:
                self._observe(loop.time() - start)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Holds all slots while the block runs: nothing is in flight, and new requests wait.

        Requests that wait already come first.
        """
        slots = [asyncio.create_task(self._slots.acquire()) for _ in range(self.max_in_flight)]
        try:
            await asyncio.gather(*slots)
            yield
        finally:
            for slot in slots:
                slot.cancel()
            for acquired in await asyncio.gather(*slots, return_exceptions=True):
                if acquired is True:
                    self._slots.release()

    async def _acquire_slot(self, deadline: float, left_s: float) -> None:
        if left_s <= 0:
            raise DeadlineExceeded("the deadline passed before the request could be admitted")
        if self._slots.locked():
            self._check_queue(left_s)
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed while waiting for a slot") from None
        finally:
            self.waiting -= 1

    def _check_queue(self, left_s: float) -> None:
        wait = self.expected_wait_s()
        retry = max(1, math.ceil(wait))
        if self.waiting >= self.max_queue:
            raise Overloaded(
                f"{self.waiting} requests are waiting already; the limit is {self.max_queue}",
                retry_after_s=retry,
            )
        if wait > left_s:
            raise Overloaded(
                f"the queue takes about {wait:.1f} s; the deadline is in {left_s:.1f} s",
                retry_after_s=retry,
            )

    def expected_wait_s(self) -> float:
        """Estimates how long a new request would wait, from recent service times."""
        if not self._slots.locked():
            return 0.0
        return (self.waiting + 1) * self._service_s / self.max_in_flight

    def _observe(self, seconds: float) -> None:
        """Updates the mean service time, over about ten rounds of all slots.

        A worker's restart delays a whole round at once. Each sample is therefore capped at ten
        times the mean, so that a restart raises the mean by less than a factor of three.
        """
        self._observations += 1
        weight = max(1 / self._observations, 0.1 / self.max_in_flight)
        if self._service_s:
            seconds = min(seconds, 10 * self._service_s)
        self._service_s += weight * (seconds - self._service_s)
