"""Presentation times as files should have stated them: from the first frame on, always growing."""

from __future__ import annotations

_LEAST_S = 1e-3
_JUMP_S = 1.0


class Clock:
    """Turns the stated times of frames into seconds since the first one.

    A frame without a time follows the one before by `interval_s`; so does the first after a jump
    back, as parts that were joined have, and what comes after it counts on from there.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._offset_s: float | None = None
        self._last_s: float | None = None

    def tick(self, stated_s: float | None) -> float:
        """The next frame's time."""
        last = self._last_s
        if last is None:
            self._offset_s, now = stated_s, 0.0
        elif stated_s is None:
            now = last + self._interval_s
        elif self._offset_s is None or stated_s - self._offset_s < last - _JUMP_S:
            now = last + self._interval_s
            self._offset_s = stated_s - now
        else:
            now = max(stated_s - self._offset_s, last + _LEAST_S)
        self._last_s = now
        return now
