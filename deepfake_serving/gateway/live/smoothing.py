"""Exponential smoothing of scores over time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_TIME_CONSTANT_S = 1.0


class ScoreSmoother:
    """Smooths by elapsed time, so neither dropped frames nor the frame rate matter."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last_s = clock, 0.0
        self.value: float | None = None

    def add(self, probability: float | None) -> float | None:
        """Adds a frame and returns the smoothed probability. None, no face, changes nothing."""
        now = self._clock()
        self.value = smooth(self.value, probability, now - self._last_s, _TIME_CONSTANT_S)
        if probability is not None:
            self._last_s = now
        return None if self.value is None else round(self.value, 6)


def smooth(
    previous: float | None, probability: float | None, elapsed_s: float, time_constant_s: float
) -> float | None:
    """Returns one step of exponential smoothing. None, no face, changes nothing."""
    if previous is None or probability is None:
        return previous if probability is None else probability
    weight = math.exp(-elapsed_s / time_constant_s)
    return weight * previous + (1 - weight) * probability
