"""A run of the simulation: clients, gateways, a pool, and its autoscaler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from deepfake_serving.planning.autoscaler import SYNC_S, Autoscaler, AutoscalingSpec
from deepfake_serving.planning.pool import Pool
from deepfake_serving.planning.replica import ReplicaSpec

Rate = Callable[[float], float]
"""Requests per second at a time in seconds; at least 0."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment to simulate.

    Attributes:
        gateways: processes, each of which uses one core.
        gateway_s: time of a gateway for one request.
        replicas: at the start; fixed unless there is `autoscaling`.
    """

    replica: ReplicaSpec
    replicas: int = 1
    gateways: int = 2
    gateway_s: float = 0.0027
    autoscaling: AutoscalingSpec | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the pool at a time."""

    time_s: float
    wanted: int
    ready: int
    pending: int


@dataclass(slots=True)
class Result:
    """The outcome of a run. Only requests that began after the warm-up are counted, and there are
    samples, one a second, only with an autoscaler."""

    began_s: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    samples: list[Sample] = field(default_factory=list)
    utilization: float = 0.0
    """Share of the time in which a worker is busy."""

    @property
    def refused_share(self) -> float:
        return self.refused / max(1, self.refused + len(self.latencies_s))

    def percentile(self, percent: float) -> float:
        """Returns a percentile of the latencies, in seconds; NaN without requests."""
        return float(np.percentile(self.latencies_s, percent)) if self.latencies_s else float("nan")


class Simulation:
    """One run; the same seed gives the same result."""

    def __init__(self, deployment: Deployment, seed: int = 0, warmup_s: float = 0.0) -> None:
        self.env = simpy.Environment()
        self.deployment, self.warmup_s = deployment, warmup_s
        self.random = np.random.default_rng(seed)
        self.pool = Pool(self.env, deployment.replica, deployment.replicas, self.random)
        self.gateway = simpy.Resource(self.env, deployment.gateways)
        self.result = Result()

    def open_loop(self, rate: Rate, seconds: float, max_rate: float) -> Result:
        """Runs clients that do not wait for each other: a Poisson process of a variable rate.

        Args:
            max_rate: the highest rate; times are drawn at it and thinned (Lewis and Shedler 1979).
        """
        self.env.process(self._arrivals(rate, max_rate))
        return self._run(seconds)

    def closed_loop(self, users: Sequence[tuple[float, float]], think_s: float) -> Result:
        """Runs users who each wait for a response before the next request.

        Args:
            users: begin and end of each, in seconds.
            think_s: pause between a response and the next request.
        """
        for begin, end in users:
            self.env.process(self._user(begin, end, think_s))
        return self._run(max(end for _, end in users))

    def _run(self, seconds: float) -> Result:
        if self.deployment.autoscaling is not None:
            self.env.process(self._sample())
            self.env.process(self._autoscale(Autoscaler(self.deployment.autoscaling)))
        if self.warmup_s:
            self.env.run(until=self.warmup_s)
        busy_s, ready_s = self.pool.busy_s, self.pool.ready_s
        self.env.run(until=seconds)
        worked_s = (self.pool.ready_s - ready_s) * self.deployment.replica.workers
        self.result.utilization = (self.pool.busy_s - busy_s) / worked_s
        return self.result

    def _arrivals(self, rate: Rate, max_rate: float) -> Any:
        while True:
            yield self.env.timeout(self.random.exponential(1 / max_rate))
            if self.random.random() * max_rate < rate(self.env.now):
                self.env.process(self._request())

    def _user(self, begin: float, end: float, think_s: float) -> Any:
        yield self.env.timeout(begin)
        while self.env.now < end:
            yield self.env.process(self._request())
            yield self.env.timeout(think_s)

    def _request(self) -> Any:
        began = self.env.now
        with self.gateway.request() as slot:
            yield slot
            yield self.env.timeout(self.deployment.gateway_s)
        replica = self.pool.choose()
        if replica is not None:
            yield replica.submit()
        if began < self.warmup_s:
            return
        if replica is None:
            self.result.refused += 1
        else:
            self.result.began_s.append(began)
            self.result.latencies_s.append(self.env.now - began)

    def _sample(self) -> Any:
        while True:
            pool = self.pool
            sample = Sample(self.env.now, pool.wanted, len(pool.ready), pool.pending)
            self.result.samples.append(sample)
            yield self.env.timeout(1.0)

    def _autoscale(self, autoscaler: Autoscaler) -> Any:
        while True:
            yield self.env.timeout(SYNC_S)
            pool = self.pool
            pool.resize(autoscaler.desired(self.env.now, pool.pending, pool.wanted))
