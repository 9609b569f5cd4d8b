"""Analyses a video file in this process."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.video.analyse import Detect, SaveImage, analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.people.manifest import PersonModelError
from deepfake_serving.video.sampling import Sampling
from model_handlers.pipeline.decode import Pixels


def video_options(
    sampling: str, aggregation: str, shots: bool, explain: bool = False
) -> VideoOptions:
    """Returns the options of an analysis by one detector.

    Raises:
        Problem: an option can't be used.
    """
    if aggregation not in get_args(Aggregation):
        raise InvalidRequest(f"there is no aggregation {aggregation!r}")
    return VideoOptions(
        sampling=Sampling.parse(sampling),
        aggregation=cast("Aggregation", aggregation),
        shots=shots,
        explain=explain,
        max_in_flight=1,
    )


def open_embedder(path: Path | None) -> FaceEmbedder | None:
    """Loads a model that embeds faces.

    Raises:
        Problem: it can't be used.
    """
    if path is None:
        return None
    try:
        return FaceEmbedder(path)
    except PersonModelError as error:
        raise InvalidRequest(str(error)) from error


def analyse_video(
    path: Path,
    detector: LocalDetector,
    options: VideoOptions,
    gallery: Path | None = None,
    report: Callable[[str, float | None], None] | None = None,
    embedder: FaceEmbedder | None = None,
) -> dict[str, Any]:
    """Returns the JSON of a `VideoVerdict`; writes images of shots and faces to `gallery`.

    Raises:
        Problem: the video can't be used.
    """

    def on_progress(progress: Progress) -> None:
        if report is not None:
            report(progress.stage, progress.percent)

    options = dataclasses.replace(options, thresholds=detector.thresholds)
    detect, save_image = detection(detector, options), image_writer(gallery)
    analysis = analyse(path, detect, options, save_image, on_progress, embedder)
    return dataclasses.asdict(asyncio.run(analysis))


def detection(detector: LocalDetector, options: VideoOptions) -> Detect:
    """Returns what scores frames, in a thread."""

    async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
        return await asyncio.to_thread(detector.frames, frames, explain=options.explain)

    return detect


def image_writer(folder: Path | None) -> SaveImage:
    """Returns what writes images to a folder, which it creates; None: it writes none."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    async def save(name: str, image: bytes) -> None:
        if folder is not None:
            write_whole(folder / name, image)

    return save
