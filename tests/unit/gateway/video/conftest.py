"""Videos made of the one photograph that the project may carry, and the real detector."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import orjson
import pytest

from contracts.problems import Problem
from contracts.video import VideoVerdict
from gateway.video.analyse import analyse
from gateway.video.judged import Answer
from gateway.video.options import VideoOptions
from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask

RATE = 12
HEAD = (177, 58, 270, 175)
"""The face's box in the photograph."""


def pan(
    picture: Pixels, count: int, start: tuple[int, int] = (60, 0), step: tuple[int, int] = (1, 0)
) -> list[Pixels]:
    """Windows of 320 x 240 that move over the picture."""
    (x, y), (dx, dy) = start, step
    return [picture[y + i * dy :, x + i * dx :][:240, :320] for i in range(count)]


def two_faces(astronaut: Pixels, count: int) -> list[Pixels]:
    """480 x 240: the head and its mirror image side by side; both sway."""
    frames = []
    for i in range(count):
        shift = 40 + i % 8
        left = astronaut[:240, shift + 60 : shift + 300]
        frames.append(np.hstack([left, left[:, ::-1]]))
    return frames


def write_video(
    path: Path,
    frames: Sequence[Pixels],
    rate: int = RATE,
    codec: str = "libx264",
    *,
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """A file of equal-sized frames. `times` in seconds make its rate variable."""
    with av.open(str(path), "w", format=container_format, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=codec_options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "18", "preset": "ultrafast", "g": "12"} | stream.options
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def moving(astronaut: Pixels) -> list[Pixels]:
    """Three seconds at `RATE` of one face that the camera moves over."""
    return pan(astronaut, 36)


@pytest.fixture(scope="session")
def clip(moving: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", moving)


@pytest.fixture(scope="session")
def cuts(
    astronaut: Pixels, no_face: Pixels, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[float]]:
    """Four shots of two seconds: the face, coffee, the face mirrored and larger, two faces; and
    when they begin."""
    large = cv2.resize(astronaut[:256, 96:416], (640, 512), interpolation=cv2.INTER_CUBIC)
    two = [cv2.resize(frame, (320, 160)) for frame in two_faces(astronaut, 24)]
    shots = [
        pan(astronaut, 24),
        pan(no_face, 24),
        pan(np.ascontiguousarray(large[:, ::-1]), 24, (200, 100)),
        [cv2.copyMakeBorder(frame, 40, 40, 0, 0, cv2.BORDER_REPLICATE) for frame in two],
    ]
    path = tmp_path_factory.mktemp("cuts") / "cuts.mp4"
    write_video(path, [frame for shot in shots for frame in shot])
    return path, [0.0, 2.0, 4.0, 6.0]


Judge = Callable[[list[Pixels]], Awaitable[list[Answer]]]


@pytest.fixture(scope="session")
def judge(detector: DetectorTask) -> Judge:
    """The real detector, as a model server of one worker would answer: one call at a time."""
    worker = threading.Lock()

    def run(frames: list[Pixels]) -> list[Answer]:
        with worker:
            outcomes = detector.run(frames, [Options()] * len(frames), Stopwatch())
        return [o if isinstance(o, Problem) else orjson.loads(orjson.dumps(o)) for o in outcomes]

    async def judge(frames: list[Pixels]) -> list[Answer]:
        return await asyncio.to_thread(run, frames)

    return judge


Analysed = tuple[VideoVerdict, dict[str, bytes]]


@pytest.fixture
def analysed(judge: Judge) -> Callable[..., Awaitable[Analysed]]:
    """Analyses a file with the real detector: its verdict and its pictures."""

    async def run(path: Path, **options: object) -> Analysed:
        pictures: dict[str, bytes] = {}

        async def keep(name: str, data: bytes) -> None:
            pictures[name] = data

        given = VideoOptions(**options)  # type: ignore[arg-type]
        return await analyse(path, judge, given, keep, lambda _: None), pictures

    return run
