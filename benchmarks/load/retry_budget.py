"""Patience with a machine that others use, too: what they disturb is measured again."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.load.closed_loop import Window

_QUIET_CPUS = 0.15
_TRIES = 3


class Patience:
    """So many seconds for measuring again; the least disturbed of the tries counts."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def quietest(self, measure: Callable[[], Window]) -> Window:
        """The first undisturbed window, else the best of three, or of as many as there is time.

        What others do is no doing of the system, so this favours none.
        """
        best = measure()
        for _ in range(_TRIES - 1):
            if best.cpus_elsewhere <= _QUIET_CPUS or self.left <= 0:
                break
            begun = time.monotonic()
            best = min(best, measure(), key=lambda window: window.cpus_elsewhere)
            self.left -= time.monotonic() - begun
        return best
