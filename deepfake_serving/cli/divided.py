"""Analyses the parts of a long video file in several processes of this machine."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

from deepfake_serving.cli.ensemble import archives_of, open_detector
from deepfake_serving.cli.output import note
from deepfake_serving.cli.video import analyse_video, detection, image_writer, open_embedder
from deepfake_serving.contracts.models import Thresholds
from deepfake_serving.contracts.problems import Internal
from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.runtime.scratch.workspaces import tidy_workspace
from deepfake_serving.video.analyse import analyse_part
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.renumbering import renumbered
from deepfake_serving.video.parts.result import (
    NotDivisible,
    PartResult,
    beyond_limit,
    merged,
    sequence,
)
from deepfake_serving.video.reader import VideoReader

_IMAGES = "deepfake-video-"
"""Prefix of the folders of the parts' images."""

Report = Callable[[str, float | None], None]
"""Receives the stage and the percentage."""


@dataclasses.dataclass(frozen=True, slots=True)
class DividedVideo:
    """A video file, and how its parts are analysed. Images are written if `images` is a folder."""

    path: Path
    options: VideoOptions
    model: str
    archive: Path | None
    person_model: Path | None
    images: Path | None
    threads: int


def analyse_file(
    path: Path,
    options: VideoOptions,
    model: str,
    archive: Path | None,
    person_model: Path | None,
    gallery: Path | None,
    workers: int,
    report: Report,
) -> dict[str, Any]:
    """Returns the JSON of a `VideoVerdict`, by as many processes as there are parts and workers.

    Raises:
        Problem: the video or a model can't be used, or a process died.
    """
    workers = min(workers, count_parts(path, options)) if workers > 1 else 1
    if workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
        video = DividedVideo(path, options, model, archive, person_model, None, threads)
        try:
            return analyse_parts(video, workers, gallery, report)
        except NotDivisible as error:
            note(f"analysing the whole video again: {error}")
    embedder = open_embedder(person_model)
    detector = open_detector(model, archive)
    return analyse_video(path, detector, options, gallery, report, embedder)


def count_parts(path: Path, options: VideoOptions) -> int:
    """Returns the number of parts of a video.

    Raises:
        Problem: it can't be read.
    """
    reader = VideoReader(path, options)
    with closing(reader.batches()) as batches:
        next(batches, None)
    return len(reader.video.part_starts)


def analyse_parts(
    video: DividedVideo,
    workers: int,
    gallery: Path | None = None,
    report: Report = lambda _stage, _percent: None,
) -> dict[str, Any]:
    """Returns the JSON of a `VideoVerdict`, as `cli.video.analyse_video` does.

    Raises:
        NotDivisible: the parts don't fit, so the video has to be analysed as a whole.
        Problem: the video can't be used, or a process died.
    """
    parts = [Part(number) for number in range(count_parts(video.path, video.options))]
    archives_of(video.model, video.archive)
    with tidy_workspace(_IMAGES) as folder:
        if gallery is not None:
            gallery.mkdir(parents=True, exist_ok=True)
            video = dataclasses.replace(video, images=folder)
        with ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), _load, (video,)
        ) as pool:
            try:
                found, thresholds = _analysed(pool, parts, video.options.max_frames, report)
            except BrokenProcessPool as error:
                raise Internal("a process that analysed a part of the video died") from error
            finally:
                pool.shutdown(cancel_futures=True)
        if gallery is not None:
            _copy_images(found, folder, gallery)
    options = dataclasses.replace(video.options, thresholds=thresholds)
    return dataclasses.asdict(merged(found).verdict(options))


def _analysed(
    pool: ProcessPoolExecutor,
    parts: Sequence[Part],
    max_frames: int,
    report: Report,
) -> tuple[list[PartResult], Thresholds]:
    results: dict[int, PartResult] = {}
    for done, future in enumerate(as_completed([pool.submit(_analyse, p) for p in parts]), 1):
        result, thresholds = future.result()
        results[result.part.number] = result
        report("analyse", 100 * done / len(parts))
    found = sequence(results)
    while (part := beyond_limit(found, max_frames)) is not None:
        results[part.number], _ = pool.submit(_analyse, part).result()
        found = sequence(results)
    return found, thresholds


def _copy_images(found: Sequence[PartResult], folder: Path, gallery: Path) -> None:
    shots = 0
    for result in found:
        for name in result.accumulator.image_names:
            source = folder / str(result.part.number) / name
            write_whole(gallery / renumbered(name, shots), source.read_bytes())
        shots += len(result.accumulator.shots)


_analyst: list[Callable[[Part], tuple[PartResult, Thresholds]]] = []
"""The analysis by the models that a process of the pool has loaded."""


def _load(video: DividedVideo) -> None:
    """Loads the models, once in each process."""
    detector = open_detector(video.model, video.archive, video.threads)
    embedder = open_embedder(video.person_model)
    options = dataclasses.replace(video.options, thresholds=detector.thresholds)
    detect = detection(detector, options)

    def analyse(part: Part) -> tuple[PartResult, Thresholds]:
        folder = None if video.images is None else video.images / str(part.number)
        analysis = analyse_part(
            video.path, detect, options, image_writer(folder), lambda _: None, embedder, part
        )
        return asyncio.run(analysis), options.thresholds

    _analyst[:] = [analyse]


def _analyse(part: Part) -> tuple[PartResult, Thresholds]:
    """Runs in a process of the pool."""
    return _analyst[0](part)
