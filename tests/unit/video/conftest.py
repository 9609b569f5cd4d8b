"""Videos made of the test image, and the real detector."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.items import Options
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask
from tests.support.videos import HEAD, RATE, pan, two_faces, write_video

__all__ = ["HEAD", "RATE", "pan", "two_faces", "write_video"]


@pytest.fixture(scope="session")
def moving(astronaut: Pixels) -> list[Pixels]:
    """Writes three seconds, at `RATE`, of a camera that pans over one face."""
    return pan(astronaut, 36)


@pytest.fixture(scope="session")
def clip(moving: list[Pixels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", moving)


@pytest.fixture(scope="session")
def cut_video(
    astronaut: Pixels, no_face: Pixels, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[float]]:
    """Writes four shots of two seconds (a face, coffee, a larger mirrored face, two faces);
    returns also their start times."""
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


Detect = Callable[[list[Pixels]], Awaitable[list[DetectionResult]]]


@pytest.fixture(scope="session")
def detect(detector: DetectorTask) -> Detect:
    """Returns the real detector behind a lock, like a model server with one worker."""
    worker = threading.Lock()

    def run(frames: list[Pixels]) -> list[DetectionResult]:
        with worker:
            outcomes = detector.run(frames, [Options()] * len(frames), Stopwatch())
        return [o if isinstance(o, Problem) else orjson.loads(orjson.dumps(o)) for o in outcomes]

    async def call(frames: list[Pixels]) -> list[DetectionResult]:
        return await asyncio.to_thread(run, frames)

    return call


AnalysisResult = tuple[VideoVerdict, dict[str, bytes]]


@pytest.fixture
def run_analysis(detect: Detect) -> Callable[..., Awaitable[AnalysisResult]]:
    """Analyses a file with the real detector; returns its verdict and its images."""

    async def run(path: Path, **options: object) -> AnalysisResult:
        images: dict[str, bytes] = {}

        async def save_image(name: str, data: bytes) -> None:
            images[name] = data

        given = VideoOptions(**options)  # type: ignore[arg-type]
        return await analyse(path, detect, given, save_image, lambda _: None), images

    return run
