"""The decisions of Kubernetes' Horizontal Pod Autoscaler, which KEDA uses as well.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil

TOLERANCE = 0.1
"""Deviation from the target that changes nothing; the default of kube-controller-manager."""
SYNC_S = 15.0
"""Seconds between decisions; the default of kube-controller-manager."""


@dataclass(frozen=True, slots=True)
class AutoscalingSpec:
    """The values `autoscaling` of a pool in the chart.

    `requests_per_replica` is the target of queued and in-flight requests, an AverageValue.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    requests_per_replica: float = 4.0
    scale_up_stabilization_s: float = 0.0
    scale_down_stabilization_s: float = 300.0


@dataclass(slots=True)
class Autoscaler:
    """Decides on a number of replicas; remembers its recommendations for the two windows."""

    spec: AutoscalingSpec
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)

    def desired(self, now_s: float, pending: float, replicas: int) -> int:
        """Returns the number of replicas to run.

        Args:
            now_s: the time of the decision.
            pending: queued and in-flight requests of all replicas.
            replicas: the number wanted so far.
        """
        spec = self.spec
        ratio = pending / (spec.requests_per_replica * replicas)
        wanted = replicas if abs(ratio - 1) <= TOLERANCE else ceil(replicas * ratio)
        self._recommended.append((now_s, wanted))
        low = min(self._within(now_s, spec.scale_up_stabilization_s))
        high = max(self._within(now_s, spec.scale_down_stabilization_s))
        wanted = min(max(replicas, low), high)  # as KEP-853 stabilizes both directions
        wanted = min(wanted, max(2 * replicas, replicas + 4))  # the default policies of scaling up
        return min(max(wanted, spec.min_replicas), spec.max_replicas)

    def _within(self, now_s: float, window_s: float) -> list[int]:
        longest = max(self.spec.scale_up_stabilization_s, self.spec.scale_down_stabilization_s)
        while self._recommended[0][0] < now_s - longest:
            self._recommended.popleft()
        return [wanted for at_s, wanted in self._recommended if at_s >= now_s - window_s]
