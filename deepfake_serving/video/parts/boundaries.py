"""The cuts at which the parts of a long video begin.

A long video is analysed as parts of about equal length. Each begins at the first cut in a window
after its share of the time: a cut that begins a shot, whatever came before. There the sampling and
the batches start again, also where one process analyses the whole video. So a part has the same
result alone, and any number of processes that share the parts find what one finds.
"""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass

WINDOW_S = 60.0
"""Seconds in which the cut is sought. Without one, the part before goes on, and this one is empty:
a recording from one camera has no cuts, and must not be decoded twice to learn that."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is analysed alone.

    `sampled` is the number of frames that were sampled in the parts before, as far as it is known.
    """

    number: int
    sampled: int = 0


def part_starts(duration_s: float | None, part_s: float | None) -> list[float]:
    """Returns the earliest start of each part, in seconds; one part if either is unknown."""
    if duration_s is None or part_s is None:
        return [0.0]
    count = max(1, round(duration_s / part_s))
    return [duration_s * number / count for number in range(count)]


class Boundaries:
    """Decides which cuts begin a part. All cuts have to be shown to it, in order."""

    def __init__(self, starts: list[float], min_shot_s: float) -> None:
        """Creates it for the parts with such earliest starts.

        Args:
            min_shot_s: A cut begins a shot for certain if there was none in this time before it.
        """
        self._starts, self._min_shot_s, self._last_s = starts, min_shot_s, math.inf
        self._found = 0
        self._window_s = min(WINDOW_S, starts[1] / 2) if len(starts) > 1 else 0.0

    def begin(self, t_s: float) -> None:
        """Notes a time since which all cuts are known."""
        self._last_s = t_s

    def part_of(self, t_s: float) -> int | None:
        """Returns the number of the part that a cut begins; None if it begins none."""
        since_s, self._last_s = t_s - self._last_s, t_s
        number = bisect(self._starts, t_s) - 1
        if number <= self._found or since_s < self._min_shot_s or self.is_over(number, t_s):
            return None
        self._found = number
        return number

    def is_over(self, number: int, t_s: float) -> bool:
        """Returns whether a part can't begin at this time or later."""
        return t_s >= self._starts[number] + self._window_s
