"""Repeats measurements that other processes on the machine made noisy."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.load.closed_loop import Window

_MAX_NOISE_CPUS = 0.15
_MAX_TRIES = 3


class RetryBudget:
    """A time budget in seconds for repeating measurements."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def quietest_window(self, measure: Callable[[], Window]) -> Window:
        """Returns the first window without noise, or the least noisy of up to three tries.

        Noise comes from other processes, so this favours no system.
        """
        best = measure()
        for _ in range(_MAX_TRIES - 1):
            if best.cpus_elsewhere <= _MAX_NOISE_CPUS or self.left <= 0:
                break
            begun = time.monotonic()
            best = min(best, measure(), key=lambda window: window.cpus_elsewhere)
            self.left -= time.monotonic() - begun
        return best
