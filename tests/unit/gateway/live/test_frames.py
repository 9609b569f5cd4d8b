"""Live frames: which are dropped, which are scored, and how scores are smoothed."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.live.frames import Frame, FrameQueue, score_frames
from deepfake_serving.gateway.live.smoothing import ScoreSmoother
from deepfake_serving.runtime.tasks import first_of


async def test_the_oldest_waiting_frame_is_dropped() -> None:
    frames = FrameQueue()
    for n in range(5):
        frames.put_image(bytes([n]))
    frames.close()
    assert [(await frames.get()), (await frames.get())] == [Frame(4, b"\3"), Frame(5, b"\4")]
    assert await frames.get() is None
    assert frames.dropped == 3


async def test_a_reader_waits_for_the_next_frame() -> None:
    frames = FrameQueue()
    waiting = asyncio.create_task(frames.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    frames.put_image(b"a")
    assert await waiting == Frame(1, b"a")


async def test_every_message_counts_the_dropped_frames() -> None:
    frames, messages, counted = FrameQueue(), [], []

    async def detect(frame: Frame) -> bytes:
        if frame.image == b"bad":
            raise UndecodableMedia("the image is broken")
        return orjson.dumps({"fake_probability": 0.5})

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    for image in (b"lost", b"good", b"bad"):
        frames.put_image(image)
    frames.close()
    await score_frames(frames, detect, send, counted.append, "stream")
    good, bad = messages
    assert good == {"frame": 2, "verdict": {"fake_probability": 0.5}, "smoothed": 0.5, "dropped": 1}
    assert (bad["frame"], bad["problem"]["status"], bad["dropped"]) == (3, 422, 1)
    assert bad["problem"]["id"] == "stream.3"
    assert [None if each is None else each.slug for each in counted] == [None, "undecodable-media"]


def test_smoothing_depends_on_elapsed_time() -> None:
    now = 0.0
    smoothed = ScoreSmoother(lambda: now)
    assert smoothed.add(None) is None
    assert smoothed.add(0.0) == 0.0
    now = 1.0
    assert smoothed.add(1.0) == pytest.approx(1 - 0.36788, abs=1e-4)
    now = 1.01
    close = smoothed.add(0.0)
    assert close is not None
    assert close > 0.6, "a frame right after another one changes little"
    assert smoothed.add(None) == close
    now = 100.0
    assert smoothed.add(1.0) == pytest.approx(1.0)


async def test_the_first_to_end_cancels_the_others() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("raised")

    with pytest.raises(ValueError, match="raised"):
        await first_of(endless(), fails())
    assert ended.is_set()
