"""Load shapes: the number of users as a function of seconds since the start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_WARMUP_S = 60.0
_SPIKE = (0.4, 0.6)
"""Begin and end of the spike, as fractions of the run."""
_MIN_SPIKE = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """A shape, its range of users, and its duration."""

    shape: str
    peak: int
    base: int = 1
    duration_s: float = 60.0

    def __post_init__(self) -> None:
        """Raises `ValueError` for numbers that don't fit the shape."""
        if self.shape not in SHAPES:
            raise ValueError(f"there is no shape {self.shape!r}; there are: {', '.join(SHAPES)}")
        if not 1 <= self.base <= self.peak:
            raise ValueError(
                f"base ({self.base}) must be at least 1 and at most peak ({self.peak})"
            )
        if not (self.duration_s > 0 and math.isfinite(self.duration_s)):
            raise ValueError(f"the duration must be longer than 0 s, not {self.duration_s}")
        if self.shape == "spike" and self.peak < _MIN_SPIKE * self.base:
            raise ValueError(
                f"the peak of a spike must be at least {_MIN_SPIKE} times base ({self.base})"
            )

    def users(self, t: float) -> int | None:
        """Returns the number of users `t` seconds after the start; None after the end."""
        if t >= self.duration_s:
            return None
        return SHAPES[self.shape](self, max(t, 0.0))


def steady(plan: Plan, t: float) -> int:
    """`peak` users all the time."""
    return plan.peak


def ramp(plan: Plan, t: float) -> int:
    """From `base` up to `peak` and back, one user at a time, each level equally long."""
    rise = plan.peak - plan.base
    levels = 2 * rise + 1
    level = min(int(t * levels / plan.duration_s), levels - 1)
    return plan.base + min(level, 2 * rise - level)


def spike(plan: Plan, t: float) -> int:
    """`base` users, but `peak` in the middle fifth of the time."""
    begin, end = (part * plan.duration_s for part in _SPIKE)
    return plan.peak if begin <= t < end else plan.base


def soak(plan: Plan, t: float) -> int:
    """From `base` up to `peak` within a minute, or a tenth of a shorter run; then `peak`."""
    warmup = min(_WARMUP_S, plan.duration_s / 10)
    if t >= warmup:
        return plan.peak
    return plan.base + int((plan.peak - plan.base) * t / warmup)


SHAPES: dict[str, Callable[[Plan, float], int]] = {
    "steady": steady,
    "ramp": ramp,
    "spike": spike,
    "soak": soak,
}
