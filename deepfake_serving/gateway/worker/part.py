"""The handler of parts of long videos, which idle workers analyse for the worker of the video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.worker.part_document import part_to_json
from deepfake_serving.gateway.worker.part_media import PartMedia
from deepfake_serving.video.analyse import SaveImage
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.joining import Joins
from deepfake_serving.video.parts.result import PartResult


class AnalysePart(Protocol):
    """Analyses a part of a file with the options of a job."""

    async def __call__(
        self,
        job: Job,
        path: Path,
        part: Part,
        save_image: SaveImage,
        report: Callable[[Progress], None],
        on_start: Callable[[int], None] = ...,
        joins: Joins = ...,
    ) -> PartResult:
        """
        Raises:
            Problem
        """
        ...


class PartJob:
    """A handler of jobs of the kind `part`."""

    def __init__(self, objects: Objects, media: PartMedia, analyse: AnalysePart) -> None:
        self._objects, self._media, self._analyse = objects, media, analyse

    async def __call__(self, job: Job, _: Path, report: Callable[[Progress], None]) -> Outcome:
        """Stores the part's result and images for the worker of the whole video.

        Raises:
            NotFound: nobody waits for it.
            Problem
        """
        report(Progress("fetch"))
        part = Part(job.options["part"])
        folder = part_folder(job.options["job"], job.options["attempt"], part.number)

        async def save_image(name: str, image: bytes) -> None:
            await self._objects.put(f"{folder}/{name}", image)

        async with self._media.file(job) as path:
            result = await self._analyse(job, path, part, save_image, report)
        key = f"{folder}/result.json"
        await self._objects.put(key, part_to_json(result))
        return Outcome(key, {})


def parts_folder(job_id: str, attempt: int) -> str:
    """Returns the prefix of the objects of all parts of an attempt at a job."""
    return f"jobs/{job_id}/parts/{attempt}"


def part_folder(job_id: str, attempt: int, number: int) -> str:
    """Returns the prefix of the objects of a part."""
    return f"{parts_folder(job_id, attempt)}/{number}"
