"""A learning rate that follows the clock: for machines that are lent for so many minutes."""

from __future__ import annotations

import math
import time


class TimedSchedule:
    """Warms up for `warmup` of the time, then decays by a cosine to nothing at its end."""

    def __init__(self, seconds: float, warmup: float = 0.04) -> None:
        self.seconds, self.warmup = seconds, warmup
        self._start: float | None = None

    def progress(self) -> float:
        """Returns the share of the time that is over; the first call starts the clock."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        return min(1.0, (now - self._start) / self.seconds)

    def factor(self, progress: float) -> float:
        """Returns the learning rate relative to its maximum."""
        if progress < self.warmup:
            return max(0.02, progress / self.warmup)
        rest = (progress - self.warmup) / (1 - self.warmup)
        return (1 + math.cos(math.pi * rest)) / 2
