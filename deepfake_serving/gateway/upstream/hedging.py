"""Hedged requests: a slow one is sent to a second replica, and the first response wins.

Dean and Barroso, "The tail at scale" (Communications of the ACM, 2013). The delay is the quantile
of recent durations that all but a share of the requests stay below, so about that share is sent
twice; a budget keeps it there when all replicas have become slow.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from deepfake_serving.contracts.problems import NotReady, Overloaded, Problem, UpstreamUnavailable

T = TypeVar("T")

RETRYABLE = (UpstreamUnavailable, NotReady, Overloaded)
"""Problems of one replica that another one may not have."""
_WINDOW, _LEAST = 1000, 100
"""The durations that are remembered of a model, and those that a delay needs."""
_REFRESH = 20
"""Durations after which the delay is calculated again."""
_BURST = 10.0


class Hedging:
    """The delay after which a request is sent again, and the budget for that."""

    def __init__(self, share: float, on_hedge: Callable[[str, bool], None]) -> None:
        """
        Args:
            share: of the requests, that may be sent twice; more than 0.
            on_hedge: called with the pool of each second replica, and whether it responded first.
        """
        self.share, self.on_hedge = share, on_hedge
        self._durations: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_WINDOW))
        self._delays: dict[str, float] = {}
        self._observed = 0
        self._budget = 0.0

    def delay_s(self, model: str) -> float | None:
        """Returns the delay of a new request; None while too few durations are known."""
        self._budget = min(_BURST, self._budget + self.share)
        return self._delays.get(model)

    def spend(self) -> bool:
        """Takes one request from the budget; returns whether it allowed that."""
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def observe(self, model: str, seconds: float) -> None:
        """Remembers how long a request took."""
        durations = self._durations[model]
        durations.append(seconds)
        self._observed += 1
        if len(durations) >= _LEAST and self._observed % _REFRESH == 0:
            self._delays[model] = sorted(durations)[int((1 - self.share) * (len(durations) - 1))]


async def first_success(tasks: Sequence[asyncio.Task[T]]) -> tuple[int, T]:
    """Returns the position and the result of the first task that succeeds.

    Raises:
        Problem: the first that another replica would have too, or that of the last task.
    """
    pending = set(tasks)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                return tasks.index(task), task.result()
            except Problem as problem:
                if not pending or not isinstance(problem, RETRYABLE):
                    raise
