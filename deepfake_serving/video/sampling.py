"""Frame sampling: a grid over the video, thinned out within long shots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self, TypeVar, cast

from deepfake_serving.contracts.problems import InvalidRequest

T = TypeVar("T")
Policy = Literal["every", "uniform", "fps", "per_shot"]

MAX_PER_SHOT = 64
_RANGES: dict[str, tuple[float, float]] = {
    "every": (1, 10_000),
    "uniform": (1, 10_000),
    "fps": (0.01, 120),
    "per_shot": (2, MAX_PER_SHOT),
}
_POLICIES = (
    "every:N (every Nth frame), uniform:N (N frames evenly over the video), fps:N (N frames per "
    f"second), per_shot:N (at most N frames of each shot, up to {MAX_PER_SHOT})"
)
_ROUNDING = 1e-6
_PER_SHOT_RATE = 12.0
"""Frames per second that `per_shot` starts a shot with: a few seconds fill a shot's share."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """A sampling policy and its number."""

    policy: Policy
    value: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses `every:5`, `uniform:30`, `fps:2.5` or `per_shot:64`.

        Raises:
            InvalidRequest: the text is none of these. The detail lists the policies.
        """
        policy, _, number = text.partition(":")
        if policy not in _RANGES:
            raise InvalidRequest(f"unknown sampling {text!r}; the policies are {_POLICIES}")
        low, high = _RANGES[policy]
        try:
            value = float(number) if policy == "fps" else int(number)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise InvalidRequest(f"sampling {policy}:N takes N from {low:g} to {high:g}")
        return cls(cast(Policy, policy), value)

    def __str__(self) -> str:
        return f"{self.policy}:{self.value:g}"


DEFAULT_SAMPLING = Sampling("every", 5)


class Sampler:
    """Decides for each frame, in presentation order, whether it is scored.

    The length of a shot is unknown until it ends. So a shot starts with every frame of the grid,
    and each time `per_shot` frames were selected, every other one of them is dropped and from then
    on only every other frame is selected. The remaining frames lie evenly over the shot: at most
    `per_shot`, at least half of that. The number of dropped frames grows with the logarithm of the
    shot's length (of 1000 grid frames, 192 are scored and 32 to 64 remain). `thin` drops frames in
    step with the sampler.
    """

    def __init__(self, sampling: Sampling, duration_s: float | None, per_shot: int) -> None:
        """`uniform` needs `duration_s`."""
        self._every = int(sampling.value) if sampling.policy == "every" else None
        self._step_s = _step_s(sampling, duration_s)
        self._first_index, self._last_step = 0, -1
        self._per_shot = per_shot
        self.thinned = 0
        """Shots of more frames than `per_shot`."""
        self.start_shot()

    def start_part(self, index: int) -> None:
        """Starts a new part of the video, by which every Nth frame is counted again."""
        self._first_index = index
        self.start_shot()

    def start_shot(self) -> None:
        """Starts a new shot, or after a cut within one."""
        self._grid_index, self._selected, self._stride = 0, 0, 1

    def select(self, index: int, t_s: float) -> bool:
        """Returns whether the frame is scored. Call it once for every frame."""
        if not self._on_grid(index, t_s):
            return False
        grid_index = self._grid_index
        self._grid_index += 1
        if grid_index % self._stride:
            return False
        if self._selected >= self._per_shot:
            self.thinned += self._stride == 1
            self._stride *= 2
            self._selected = -(-self._selected // 2)
            if grid_index % self._stride:
                return False
        self._selected += 1
        return True

    def _on_grid(self, index: int, t_s: float) -> bool:
        if self._every is not None:
            return (index - self._first_index) % self._every == 0
        step, before = math.floor(t_s / self._step_s + _ROUNDING), self._last_step
        self._last_step = step
        return step > before


def _step_s(sampling: Sampling, duration_s: float | None) -> float:
    if sampling.policy == "uniform":
        return max(duration_s or 0.0, 1e-3) / sampling.value
    return 1 / (sampling.value if sampling.policy == "fps" else _PER_SHOT_RATE)


def thin(frames: list[T], per_shot: int) -> list[T]:
    """Drops every other frame of a shot that has `per_shot` frames, before one more is added."""
    return frames[::2] if len(frames) >= per_shot else frames
