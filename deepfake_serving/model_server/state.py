"""The server's state. The supervisor writes it, everything else reads it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from deepfake_serving.contracts.problems import NotReady
from deepfake_serving.runtime.process.shutdown import InFlight


class Phase(StrEnum):
    """The server's lifecycle; it only moves forward."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    DEAD = "dead"


@dataclass(slots=True)
class ModelState:
    """A model's workers, and whether a warm-up prediction has succeeded since they started."""

    workers_wanted: int
    workers_ready: int = 0
    warm: bool = False
    worker_pids: list[int] = field(default_factory=list)
    """Process ids of the workers that are ready."""

    @property
    def ready(self) -> bool:
        return self.warm and self.workers_ready > 0


class ServerState:
    """The phase and the models' states, with notification of changes."""

    def __init__(self, workers_wanted: dict[str, int]) -> None:
        self.phase = Phase.STARTING
        self.models = {name: ModelState(n) for name, n in workers_wanted.items()}
        self.in_flight = InFlight()
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """True only while serving, with every model up and warm."""
        return self.phase is Phase.SERVING and all(m.ready for m in self.models.values())

    def model_ready(self, name: str) -> bool:
        return self.phase is Phase.SERVING and self.models[name].ready

    def notify(self) -> None:
        """Wakes all waiters after a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    def require_serving(self) -> None:
        """Raises `NotReady` before the server was first ready, and after its end.

        While workers are restarted requests wait instead.
        """
        if self.phase is Phase.STARTING:
            raise NotReady("the models are still loading", retry_after_s=5)
        if self.phase is Phase.DEAD:
            raise NotReady("the server is stopping", retry_after_s=5)

    def describe(self) -> dict[str, object]:
        """Returns the body of /readyz."""
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
