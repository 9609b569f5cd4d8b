"""Durations of the stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Accumulates wall-clock seconds by stage name: `with watch("decode"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def milliseconds(self) -> dict[str, float]:
        """Returns milliseconds by stage, rounded to the microsecond."""
        return {stage: round(s * 1000, 3) for stage, s in self.seconds.items()}
