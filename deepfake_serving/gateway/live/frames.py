"""Live frames: the newest is judged, older ones that wait are dropped, the score is smoothed."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from deepfake_serving.contracts.problems import Problem

_WAITING = 2
"""Frames that wait; a third drops the oldest, so that what is shown is never far behind."""
_TIME_CONSTANT_S = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded picture and its place in the stream."""

    number: int
    picture: bytes


class Latest:
    """A queue of the newest frames, for one reader."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self.dropped = 0
        self._number = 0

    def put(self, picture: bytes) -> None:
        """Adds a frame, and drops the oldest that waits where there are too many."""
        self._number += 1
        self._frames.append(Frame(self._number, picture))
        if len(self._frames) > _WAITING:
            self._frames.popleft()
            self.dropped += 1
        self._arrived.set()

    def close(self) -> None:
        """After the frames that wait there are no more."""
        self._closed = True
        self._arrived.set()

    async def get(self) -> Frame | None:
        """The next frame; None after the last."""
        while not self._frames:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()


class Smoothed:
    """Exponential smoothing by time, so that neither a dropped frame nor a fast camera matters."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._at = clock, 0.0
        self.value: float | None = None

    def add(self, probability: float | None) -> float | None:
        """The smoothed probability after one more frame; one without a face changes nothing."""
        now = self._clock()
        self.value = smoothed(self.value, probability, now - self._at, _TIME_CONSTANT_S)
        if probability is not None:
            self._at = now
        return None if self.value is None else round(self.value, 6)


def smoothed(
    before: float | None, probability: float | None, elapsed_s: float, time_constant_s: float
) -> float | None:
    """One step of exponential smoothing; a frame without a face changes nothing."""
    if before is None or probability is None:
        return before if probability is None else probability
    kept = math.exp(-elapsed_s / time_constant_s)
    return kept * before + (1 - kept) * probability


async def judged(
    frames: Latest,
    judge: Callable[[Frame], Awaitable[bytes]],
    tell: Callable[[dict[str, Any]], Awaitable[None]],
    count: Callable[[str], None],
) -> None:
    """Judges frame after frame and tells what came of each.

    Args:
        judge: a frame to the JSON of its verdict; raises `Problem`.
        tell: sends a message to the caller.
        count: is told `judged` or `problem` for each frame.
    """
    smoothed = Smoothed()
    while (frame := await frames.get()) is not None:
        try:
            verdict = orjson.loads(await judge(frame))
        except Problem as problem:
            count("problem")
            await tell(
                {
                    "frame": frame.number,
                    "problem": problem.to_dict(),
                    "dropped": frames.dropped,
                }
            )
            continue
        count("judged")
        await tell(
            {
                "frame": frame.number,
                "verdict": verdict,
                "smoothed": smoothed.add(verdict["fake_probability"]),
                "dropped": frames.dropped,
            }
        )
