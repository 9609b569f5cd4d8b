"""The handler of parts of long videos, which idle workers analyse for the worker of the video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.worker.part_document import part_to_json
from deepfake_serving.video.analyse import SaveImage
from deepfake_serving.video.parts.boundaries import Part
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
    ) -> PartResult:
        """
        Raises:
            Problem
        """
        ...


class PartJob:
    """A handler of jobs of the kind `part`."""

    def __init__(self, store: JobStore, objects: Objects, analyse: AnalysePart) -> None:
        self._store, self._objects, self._analyse = store, objects, analyse

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """Stores the part's result and images for the worker of the whole video.

        Raises:
            NotFound: nobody waits for it.
            Problem
        """
        whole = await self._store.get(job.options["job"])
        if whole is None or (whole.state, whole.attempt) != ("running", job.options["attempt"]):
            raise NotFound("the video of this part is not analysed any more")
        report(Progress("fetch"))
        path = workspace / "media"
        await self._objects.get_file(str(job.source.object), path)
        part = Part(job.options["part"])
        folder = part_folder(job.options["job"], job.options["attempt"], part.number)

        async def save_image(name: str, image: bytes) -> None:
            await self._objects.put(f"{folder}/{name}", image)

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
