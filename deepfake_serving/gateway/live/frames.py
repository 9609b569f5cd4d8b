"""Live frames: only the newest are scored, and the score is smoothed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.gateway.live.smoothing import ScoreSmoother
from deepfake_serving.runtime.newest_queue import NewestQueue

_MAX_WAITING = 2
"""Waiting frames. A third one drops the oldest, so that verdicts are never far behind."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An encoded image and its number in the stream, from 1."""

    number: int
    image: bytes


class FrameQueue(NewestQueue[Frame]):
    """A queue of the newest frames, which it numbers."""

    def __init__(self, on_drop: Callable[[], object] = lambda: None) -> None:
        """`on_drop` is called after each dropped frame."""
        super().__init__(_MAX_WAITING, on_drop=on_drop)
        self._number = 0

    def put_image(self, image: bytes) -> None:
        """Adds the next frame."""
        self._number += 1
        self.put(Frame(self._number, image))


async def score_frames(
    frames: FrameQueue,
    detect: Callable[[Frame], Awaitable[bytes]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
    count: Callable[[Problem | None], None],
    request_id: str,
) -> None:
    """Scores frame after frame and sends a message for each.

    Args:
        detect: Returns the JSON of a frame's verdict; raises `Problem`.
        send: Sends a message to the client.
        count: Called with the problem of each frame, None for a verdict.
        request_id: The stream's; a frame's adds its number.
    """
    smoother = ScoreSmoother()
    while (frame := await frames.get()) is not None:
        try:
            verdict = orjson.loads(await detect(frame))
        except Problem as problem:
            forget_traceback(problem)
            count(problem)
            await send(
                {
                    "frame": frame.number,
                    "problem": problem.to_dict(f"{request_id}.{frame.number}"),
                    "dropped": frames.dropped,
                }
            )
            continue
        count(None)
        await send(
            {
                "frame": frame.number,
                "verdict": verdict,
                "smoothed": smoother.add(verdict["fake_probability"]),
                "dropped": frames.dropped,
            }
        )
