"""A video from a file to its verdict in this process."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from deepfake_serving.cli.detect import LocalDetector
from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampling
from model_handlers.pipeline.decode import Pixels


def judge_video(
    path: Path,
    archive: Path,
    sampling: str,
    aggregation: str,
    shots: bool,
    gallery: Path | None,
    report: Callable[[str, float | None], None],
) -> dict[str, Any]:
    """The JSON of a `VideoVerdict`; pictures go to `gallery` where one is given.

    Raises:
        Problem
        ManifestError: the archive can't be used.
    """
    if aggregation not in get_args(Aggregation):
        raise InvalidRequest(f"there is no aggregation {aggregation!r}")
    options = VideoOptions(
        sampling=Sampling.parse(sampling),
        aggregation=cast("Aggregation", aggregation),
        shots=shots,
        in_flight=1,  # there is one of it
    )
    if gallery is not None:
        gallery.mkdir(parents=True, exist_ok=True)

    async def keep(name: str, picture: bytes) -> None:
        if gallery is not None:
            (gallery / name).write_bytes(picture)

    def tell(progress: Progress) -> None:
        report(progress.stage, progress.percent)

    with LocalDetector(archive) as detector:

        async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
            return await asyncio.to_thread(detector.frames, frames)

        verdict = asyncio.run(analyse(path, detect, options, keep, tell))
    return dataclasses.asdict(verdict)
