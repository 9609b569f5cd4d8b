"""How far an analysis is, told now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from deepfake_serving.contracts.jobs import Progress

_PAUSE_S = 0.25


class Meter:
    """Tells at most four times a second."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self._progress = progress
        self._begun = time.monotonic()
        self._told = 0.0
        self._frames = 0

    def tell(self, frames: int, read_s: float, duration_s: float | None) -> None:
        """So many more frames were judged, up to `read_s` of the video."""
        now = time.monotonic()
        self._frames += frames
        if now - self._told < _PAUSE_S:
            return
        self._told = now
        if not duration_s:
            self._progress(Progress("analyse", self._frames))
            return
        done = min(1.0, max(read_s, 1e-3) / duration_s)
        eta_s = (now - self._begun) * (1 - done) / done
        self._progress(Progress("analyse", self._frames, round(100 * done, 1), round(eta_s, 1)))
