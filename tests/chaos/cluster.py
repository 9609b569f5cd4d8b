"""The installation that events happen to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from tests.chaos.node import Nodes
from tests.cluster.kube import Object, Release

COUNTS = {"gateway": 2, "model-server": 2, "worker": 1, "redis": 1}
"""Pods of each component, between events."""

_SETTLED_S, _POLL_S = 5, 0.5


@dataclass(frozen=True)
class Cluster:
    """A release, the access to its nodes, and the random choice of victims."""

    release: Release
    nodes: Nodes
    random: Random
    redis_gone_s: float

    def victim(self, component: str) -> Object:
        """Returns a ready pod of a component."""
        return self.random.choice([each for each in self.release.pods(component) if _ready(each)])

    def pods(self) -> list[Object]:
        return [pod for component in COUNTS for pod in self.release.pods(component)]

    def deployments(self, component: str) -> list[str]:
        """Returns the names of a component's Deployments."""
        items = self.release.get("deployments", "-l", self.release.selector(component))["items"]
        return [each["metadata"]["name"] for each in items]

    def wait_ready(self, since: float, timeout_s: float = 300) -> float:
        """Waits until every pod has been ready for five seconds, so that a death that kubelet has
        not noticed yet is not missed. Returns the seconds from `since` until all were ready."""
        first: float | None = None
        end = time.monotonic() + timeout_s
        while first is None or time.monotonic() - first < _SETTLED_S:
            now = time.monotonic()
            assert now < end, f"not ready after {timeout_s} s"
            first = (first or now) if self._all_ready() else None
            time.sleep(_POLL_S)
        return max(0.0, first - since)

    def _all_ready(self) -> bool:
        return all(
            [_ready(pod) for pod in self.release.pods(component)] == [True] * count
            for component, count in COUNTS.items()
        )


def _ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
