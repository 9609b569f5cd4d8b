"""Progress reports of an analysis, at a limited rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from deepfake_serving.contracts.jobs import Progress

_INTERVAL_S = 0.25


class ProgressReporter:
    """Reports progress at most four times a second."""

    def __init__(
        self,
        on_progress: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_progress, self._clock = on_progress, clock
        self._started = clock()
        self._last_report = -math.inf
        self._frames = 0

    def update(self, frames: int, read_s: float, duration_s: float | None) -> None:
        """Counts `frames` more scored frames, with the video read up to `read_s`."""
        now = self._clock()
        self._frames += frames
        if now - self._last_report < _INTERVAL_S:
            return
        self._last_report = now
        if not duration_s:
            self._on_progress(Progress("analyse", self._frames))
            return
        share = min(1.0, max(read_s, 1e-3) / duration_s)
        eta_s = (now - self._started) * (1 - share) / share
        percent = round(100 * share, 1)
        self._on_progress(Progress("analyse", self._frames, percent, round(eta_s, 1)))
