"""Which frames are judged: a grid over the video, thinned within shots that last long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self, TypeVar, cast

from deepfake_serving.contracts.problems import InvalidRequest

T = TypeVar("T")
Policy = Literal["every", "uniform", "fps", "per_shot"]

MOST_PER_SHOT = 64
_BOUNDS: dict[str, tuple[float, float]] = {
    "every": (1, 10_000),
    "uniform": (1, 10_000),
    "fps": (0.01, 120),
    "per_shot": (2, MOST_PER_SHOT),
}
_POSSIBLE = (
    "every:N (each Nth frame), uniform:N (N frames evenly over the video), fps:N (N frames a "
    f"second), per_shot:N (at most N frames of each shot, up to {MOST_PER_SHOT})"
)
_ROUNDING = 1e-6
_PER_SHOT_RATE = 12.0
"""Frames a second that `per_shot` begins a shot with: a few seconds fill a shot's share."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """A policy and its number."""

    policy: Policy
    value: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`every:5`, `uniform:30`, `fps:2.5`, `per_shot:64`.

        Raises:
            InvalidRequest: saying what is possible.
        """
        policy, _, number = text.partition(":")
        if policy not in _BOUNDS:
            raise InvalidRequest(f"no sampling {text!r}; possible are {_POSSIBLE}")
        low, high = _BOUNDS[policy]
        try:
            value = float(number) if policy == "fps" else int(number)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidRequest(f"sampling {policy}:N takes N from {low:g} to {high:g}")
        return cls(cast(Policy, policy), value)

    def __str__(self) -> str:
        return f"{self.policy}:{self.value:g}"


EVERY_FIFTH = Sampling("every", 5)


class Sampler:
    """Says of each frame, in order of presentation, whether it is judged.

    How long a shot will last is unknown while it runs. So it begins with every frame of the grid,
    and each time that `per_shot` frames have been taken, every other of them is let go and from
    then on only every other is taken. What is left lies evenly over the shot, at most `per_shot`
    and at least half of it; what is judged in vain grows with the logarithm of the shot's length
    (a shot of 1000 grid frames: 192 are judged, 32 to 64 stay). `thin` lets go, in step with this.
    """

    def __init__(self, sampling: Sampling, duration_s: float | None, per_shot: int) -> None:
        """`duration_s` is needed by `uniform`."""
        self._every = int(sampling.value) if sampling.policy == "every" else None
        self._step_s = _step_s(sampling, duration_s)
        self._due_s = 0.0
        self._per_shot = per_shot
        self.restart()

    def restart(self) -> None:
        """A new shot begins."""
        self._number, self._taken, self._stride = 0, 0, 1

    def take(self, index: int, t_s: float) -> bool:
        """Whether the frame is judged; to be asked of every frame once."""
        if not self._on_grid(index, t_s):
            return False
        number = self._number
        self._number += 1
        if number % self._stride:
            return False
        if self._taken >= self._per_shot:
            self._stride *= 2
            self._taken = -(-self._taken // 2)
            if number % self._stride:
                return False
        self._taken += 1
        return True

    def _on_grid(self, index: int, t_s: float) -> bool:
        if self._every is not None:
            return index % self._every == 0
        if t_s < self._due_s:
            return False
        self._due_s = (math.floor(t_s / self._step_s + _ROUNDING) + 1) * self._step_s
        return True


def _step_s(sampling: Sampling, duration_s: float | None) -> float:
    if sampling.policy == "uniform":
        return max(duration_s or 0.0, 1e-3) / sampling.value
    return 1 / (sampling.value if sampling.policy == "fps" else _PER_SHOT_RATE)


def thin(kept: list[T], per_shot: int) -> list[T]:
    """Room for one more of a shot's frames: every other of them, where there are `per_shot`."""
    return kept[::2] if len(kept) >= per_shot else kept
