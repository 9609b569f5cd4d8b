"""Replicas that start, serve and stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import simpy

from deepfake_serving.planning.replica import Replica, ReplicaSpec


class Pool:
    """The replicas of one kind. Requests go to the one with the fewest requests."""

    def __init__(
        self, env: simpy.Environment, spec: ReplicaSpec, replicas: int, random: np.random.Generator
    ) -> None:
        self.env, self.spec, self.random = env, spec, random
        self.ready = [Replica(env, spec, random) for _ in range(replicas)]
        self.wanted = replicas
        self._stopped: list[Replica] = []
        self._stopped_ready_s = 0.0

    @property
    def pending(self) -> int:
        """Queued and running requests of all replicas."""
        return sum(replica.in_flight for replica in self.ready)

    @property
    def busy_s(self) -> float:
        return sum(replica.busy_s for replica in (*self.ready, *self._stopped))

    @property
    def ready_s(self) -> float:
        """Seconds of all replicas together in which they took requests."""
        now = self.env.now
        return self._stopped_ready_s + sum(now - replica.began_s for replica in self.ready)

    def choose(self) -> Replica | None:
        """Returns the replica for a request; None if all are full."""
        free = [replica for replica in self.ready if not replica.full]
        if not free:
            return None
        fewest = min(replica.in_flight for replica in free)
        candidates = [replica for replica in free if replica.in_flight == fewest]
        return candidates[int(self.random.integers(len(candidates)))]

    def resize(self, wanted: int) -> None:
        """Starts replicas, which are ready later, or stops some, which finish what they have."""
        for _ in range(wanted - self.wanted):
            self.env.process(self._start())
        self.wanted = wanted
        while len(self.ready) > wanted:
            stopped = min(self.ready, key=lambda replica: replica.in_flight)
            self.ready.remove(stopped)
            self._stopped.append(stopped)
            self._stopped_ready_s += self.env.now - stopped.began_s

    def _start(self) -> Any:
        yield self.env.timeout(self.spec.startup_s)
        if len(self.ready) < self.wanted:
            self.ready.append(Replica(self.env, self.spec, self.random))
