"""A model server in the simulation: a bounded queue, and workers that take batches from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import simpy


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """A replica.

    Attributes:
        workers: that run at the same time, each on a core or a GPU of its own.
        service_s: mean time of a worker for one image.
        variation: standard deviation of that time over its mean; 0 is a constant time.
        batch: images that a worker takes at once.
        batch_share: time of a further image in a batch, over that of the first.
        max_in_flight: requests at most, queued and running; others are refused.
        startup_s: from the decision to the first request.
    """

    workers: int = 1
    service_s: float = 0.04
    variation: float = 0.5
    batch: int = 2
    batch_share: float = 1.0
    max_in_flight: int = 32
    startup_s: float = 10.0

    @property
    def batch_s(self) -> float:
        """Mean time of a full batch."""
        return self.service_s * (1 + (self.batch - 1) * self.batch_share)

    @property
    def rate(self) -> float:
        """Images per second at most."""
        return self.workers * self.batch / self.batch_s


class Replica:
    """Serves requests in their order."""

    def __init__(
        self,
        env: simpy.Environment,
        spec: ReplicaSpec,
        random: np.random.Generator,
        on_load: Callable[[Replica], None] = lambda _: None,
    ) -> None:
        """`on_load` is called after each change of `in_flight`."""
        self.env, self.spec, self.random, self.on_load = env, spec, random, on_load
        self.queue: deque[simpy.Event] = deque()
        self.in_flight = 0
        self.busy_s = 0.0
        """Seconds of all workers together."""
        self.began_s = float(env.now)
        self._idle = spec.workers

    def submit(self) -> simpy.Event:
        """Queues a request and returns the event of its end."""
        done = self.env.event()
        self.in_flight += 1
        self.on_load(self)
        self.queue.append(done)
        self._start()
        return done

    def _start(self) -> None:
        while self._idle and self.queue:
            count = min(len(self.queue), self.spec.batch)
            self._idle -= 1
            self.env.process(self._run([self.queue.popleft() for _ in range(count)]))

    def _run(self, batch: list[simpy.Event]) -> Any:
        seconds = self._draw() * (1 + (len(batch) - 1) * self.spec.batch_share)
        yield self.env.timeout(seconds)
        self.busy_s += seconds
        self.in_flight -= len(batch)
        self.on_load(self)
        self._idle += 1
        for done in batch:
            done.succeed()
        self._start()

    def _draw(self) -> float:
        """Draws a time from a log-normal distribution."""
        spec = self.spec
        sigma2 = log(1 + spec.variation**2)
        return float(self.random.lognormal(log(spec.service_s) - sigma2 / 2, sqrt(sigma2)))
