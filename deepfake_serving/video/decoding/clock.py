"""Presentation times that start at zero and always increase, whatever the file states."""

from __future__ import annotations

_MIN_STEP_S = 1e-3
_MAX_BACKWARD_S = 1.0


class Clock:
    """Converts the timestamps of frames to seconds since the first frame.

    A frame without a timestamp follows the previous one by `interval_s`. So does the first frame
    after a backward jump, as in concatenated files; later frames count on from there.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._offset_s: float | None = None
        self._last_s: float | None = None

    def tick(self, timestamp_s: float | None) -> float:
        """Returns the presentation time of the next frame."""
        last = self._last_s
        if last is None:
            self._offset_s, now = timestamp_s, 0.0
        elif timestamp_s is None:
            now = last + self._interval_s
        elif self._offset_s is None or timestamp_s - self._offset_s < last - _MAX_BACKWARD_S:
            now = last + self._interval_s
            self._offset_s = timestamp_s - now
        else:
            now = max(timestamp_s - self._offset_s, last + _MIN_STEP_S)
        self._last_s = now
        return now
