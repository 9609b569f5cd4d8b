"""Presentation times as a player shows them, which always increase, whatever the file states."""

from __future__ import annotations

_MIN_STEP_S = 1e-3
_MAX_BACKWARD_S = 1.0
_MAX_FORWARD_S = 10.0
"""Steps of timestamps beyond which a stream was joined from several, as FFmpeg's tools have it."""
_MAX_DELAY_S = 600.0
"""Latest start of a video after its sound that is believed."""


class Clock:
    """Converts the timestamps of frames to seconds since the start of playback.

    A frame without a timestamp follows the previous one by `interval_s`. So does the first frame
    after a jump, as in concatenated files; later frames count on from there.
    """

    def __init__(
        self, interval_s: float, start_s: float | None = None, *, may_jump: bool = False
    ) -> None:
        """Creates the clock.

        Args:
            start_s: Timestamp at which playback starts, maybe with sound alone; None: at the first
                frame.
            may_jump: Whether the container's clock may jump forward, too. Elsewhere a long step is
                a frame that is shown for long.
        """
        self._interval_s, self._start_s, self._may_jump = interval_s, start_s, may_jump
        self._offset_s: float | None = None
        self._last_s: float | None = None
        self.jumped = False
        """Whether timestamps have jumped so far, so that declared durations mean nothing."""

    def tick(self, timestamp_s: float | None) -> float:
        """Returns the presentation time of the next frame."""
        last = self._last_s
        if last is None:
            now = self._first(timestamp_s)
        elif timestamp_s is None:
            now = last + self._interval_s
        elif self._offset_s is None or self._is_jump(timestamp_s - self._offset_s - last):
            self.jumped |= self._offset_s is not None
            now = last + self._interval_s
            self._offset_s = timestamp_s - now
        else:
            now = max(timestamp_s - self._offset_s, last + _MIN_STEP_S)
        self._last_s = now
        return now

    def timestamp_s(self, t_s: float) -> float:
        """Returns the timestamp of a presentation time, after the first tick."""
        return t_s + (self._offset_s or 0.0)

    def _first(self, timestamp_s: float | None) -> float:
        if timestamp_s is None:
            return 0.0
        delay_s = 0.0 if self._start_s is None else timestamp_s - self._start_s
        now = delay_s if 0 <= delay_s <= _MAX_DELAY_S else 0.0
        self._offset_s = timestamp_s - now
        return now

    def _is_jump(self, step_s: float) -> bool:
        return step_s < -_MAX_BACKWARD_S or (self._may_jump and step_s > _MAX_FORWARD_S)
