"""What the server knows about itself. The supervisor writes it, everybody else reads it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from deepfake_serving.contracts.problems import NotReady
from deepfake_serving.runtime.shutdown import InFlight


class Phase(StrEnum):
    """The life of a server; it only ever moves forward."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    DEAD = "dead"


@dataclass(slots=True)
class ModelState:
    """Workers that are up, and whether a warm-up prediction has been right since they came up."""

    workers_wanted: int
    workers_ready: int = 0
    warm: bool = False

    @property
    def ready(self) -> bool:
        return self.warm and self.workers_ready > 0


class ServerState:
    """Phase and models, with a way to wait for a change."""

    def __init__(self, workers_wanted: dict[str, int]) -> None:
        self.phase = Phase.STARTING
        self.models = {name: ModelState(n) for name, n in workers_wanted.items()}
        self.in_flight = InFlight()
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """True only when serving, with every model up and proven."""
        return self.phase is Phase.SERVING and all(m.ready for m in self.models.values())

    def model_ready(self, name: str) -> bool:
        return self.phase is Phase.SERVING and self.models[name].ready

    def notify(self) -> None:
        """Wakes all who wait, after a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    def require_serving(self) -> None:
        """Raises `NotReady` before the first readiness and after the end.

        Not while workers are being replaced: a request that comes then waits for them.
        """
        if self.phase is Phase.STARTING:
            raise NotReady("the models are still loading", retry_after_s=5)
        if self.phase is Phase.DEAD:
            raise NotReady("the server is stopping", retry_after_s=5)

    def describe(self) -> dict[str, object]:
        """The body of /readyz."""
        return {
            "ready": self.ready,
            "phase": self.phase.value,
            "models": {
                name: {
                    "ready": model.ready,
                    "workers_ready": model.workers_ready,
                    "workers_wanted": model.workers_wanted,
                    "warm": model.warm,
                }
                for name, model in self.models.items()
            },
        }
