"""An event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.cluster import Cluster
from tests.chaos.goals import Loss


@dataclass(frozen=True)
class Event:
    """Something that happens to the cluster; `happen` returns when only recovery is left."""

    name: str
    happen: Callable[[Cluster], None]
    loss: Loss = Loss.NONE
    outage: bool = False
    """Whether recovery is timed from when `happen` returns, not from when it begins."""
