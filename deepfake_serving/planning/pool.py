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
        self.ready: list[Replica] = []
        self._loads = np.empty(0, int)
        self._renew([Replica(env, spec, random, self._note) for _ in range(replicas)])
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
        if not self.ready or (fewest := self._loads.min()) >= self.spec.max_in_flight:
            return None
        candidates = np.flatnonzero(self._loads == fewest)
        return self.ready[int(candidates[self.random.integers(len(candidates))])]

    def resize(self, wanted: int) -> None:
        """Starts replicas, which are ready later, or stops some, which finish what they have."""
        for _ in range(wanted - self.wanted):
            self.env.process(self._start())
        self.wanted = wanted
        while len(self.ready) > wanted:
            stopped = min(self.ready, key=lambda replica: replica.in_flight)
            self._renew([each for each in self.ready if each is not stopped])
            self._stopped.append(stopped)
            self._stopped_ready_s += self.env.now - stopped.began_s

    def _start(self) -> Any:
        yield self.env.timeout(self.spec.startup_s)
        if len(self.ready) < self.wanted:
            new = Replica(self.env, self.spec, self.random, self._note)
            self._renew([*self.ready, new])

    def _renew(self, ready: list[Replica]) -> None:
        """Replaces the ready replicas, and with them the array of their loads."""
        self.ready = ready
        self._loads = np.array([replica.in_flight for replica in ready], int)
        self._positions = {id(replica): at for at, replica in enumerate(ready)}

    def _note(self, replica: Replica) -> None:
        """Notes a replica's load: in an array, thousands are compared within microseconds."""
        if (at := self._positions.get(id(replica))) is not None:
            self._loads[at] = replica.in_flight
