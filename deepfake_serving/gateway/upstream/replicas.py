"""One replica of a model server: its address, health, load and models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.gateway.upstream.config import PoolSpec

_TIMEOUT = aiohttp.ClientTimeout(total=3)


@dataclass(eq=False)
class Replica:
    """An address within a pool. `models` are those that its metadata lists."""

    pool: PoolSpec
    address: str
    healthy: bool = False
    in_flight: int = 0
    models: dict[str, ModelRef] = field(default_factory=dict)

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.pool.port}"

    @property
    def full(self) -> bool:
        return self.in_flight >= self.pool.max_in_flight

    def serves(self, model: str | None) -> bool:
        """Returns whether the replica is healthy and serves the model; None stands for any."""
        if not self.healthy:
            return False
        if model is None:
            return True
        return model in self.models and (not self.pool.models or model in self.pool.models)

    @contextmanager
    def track_request(self) -> Iterator[None]:
        """Counts a request as in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def check(self, session: aiohttp.ClientSession) -> None:
        """Updates the replica's health and models from its `/readyz` and `/`."""
        try:
            async with session.get(f"{self.url}/readyz", timeout=_TIMEOUT) as response:
                ready = response.status == 200
            if ready:
                async with session.get(f"{self.url}/", timeout=_TIMEOUT) as response:
                    document = await response.json()
                self.models = {m["name"]: _ref(m) for m in document["models"]}
            self.healthy = ready
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
            self.healthy = False


def _ref(document: dict[str, Any]) -> ModelRef:
    return ModelRef(**{name: document[name] for name in ("name", "version", "digest", "trained")})
