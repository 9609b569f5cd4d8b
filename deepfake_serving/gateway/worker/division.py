"""The division of one long video among the worker that claimed it and idle ones.

The worker of the video never waits for a part that nobody analyses: it takes such a part itself. So
one worker alone comes to an end, and so does one whose helpers have died. Where it comes to the end
of a part and no other worker has the next, it reads on. So one worker alone reads the video once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from deepfake_serving.contracts.jobs import ENDED, PART, Job, Progress
from deepfake_serving.contracts.problems import NotFound, Problem, UpstreamUnavailable
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.worker.part import AnalysePart, part_folder, parts_folder
from deepfake_serving.gateway.worker.part_document import part_from_json
from deepfake_serving.runtime.tasks import background, repeat
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.joining import Joins
from deepfake_serving.video.parts.renumbering import renumbered
from deepfake_serving.video.parts.result import (
    PartResult,
    beyond_limit,
    merged,
    missing,
    sequence,
)

T = TypeVar("T")
log = structlog.get_logger(__name__)

_POLL_S = 0.5
_COPIES = 16
"""Images that are copied at once."""


class Division:
    """One attempt at one video. Its parts and their objects are gone when it ends, and so are those
    of earlier attempts. Later ones may exist already, if this worker has lost the job."""

    def __init__(
        self,
        job: Job,
        path: Path,
        store: JobStore,
        objects: Objects,
        analyse: AnalysePart,
        report: Callable[[Progress], None],
    ) -> None:
        self._job, self._path, self._store, self._objects = job, path, store, objects
        self._analyse, self._report = analyse, report
        self._progress: dict[int, Progress] = {}
        self._results: dict[int, PartResult] = {}
        self._joined: dict[int, int] = {}
        """Parts in the result of an earlier one, by their numbers."""
        self._submitting: asyncio.Task[None] | None = None
        self._begun = time.monotonic()

    async def analysed(self, max_frames: int) -> PartResult:
        """Returns the result of the whole video.

        Raises:
            NotDivisible: the parts don't fit.
            Problem
        """
        try:
            first = await self._own(Part(0))
            count = len(first.video.part_starts)
            if self._submitting is None or count == 1 or first.end is None:
                return first
            await self._submitting
            async with background(repeat(self._watch, _POLL_S, "progress of parts")):
                await self._collect(count, max_frames)
                found = sequence(self._results)
                while (again := beyond_limit(found, max_frames)) is not None:
                    await self._own(again, self._always)
                    found = sequence(self._results)
            await self._keep_images(found)
            return merged(found)
        finally:
            await self._clean()

    async def _own(self, part: Part, joins: Joins | None = None) -> PartResult:
        """Analyses a part in this worker, and those after it that it joins."""
        folder = self._folder(part.number) if part.number else f"jobs/{self._job.id}/gallery"

        async def save_image(name: str, image: bytes) -> None:
            await self._objects.put(f"{folder}/{name}", image)

        def report(progress: Progress) -> None:
            self._note(part.number, progress)

        async def joins_free(number: int) -> bool:
            if free := await self._is_free(number):
                self._joined[number] = part.number
            return free

        result = await self._analyse(
            self._job, self._path, part, save_image, report, self._start, joins or joins_free
        )
        self._results[part.number] = result
        self._note(part.number, Progress("analyse", result.accumulator.sampled, 100.0))
        return result

    async def _is_free(self, number: int) -> bool:
        """Takes a part if no other worker has it, and returns whether it did."""
        if self._submitting is None:
            return False
        await asyncio.shield(self._submitting)
        if self._is_done(number):
            return False
        with contextlib.suppress(Problem):
            part = await self._store.get(self._id(number))
            return part is None or await self._store.take_part(part.id)
        return False

    async def _always(self, _: int) -> bool:
        return True

    def _start(self, count: int) -> None:
        """Submits the parts once, when their number is known."""
        if count > 1 and self._submitting is None:
            self._progress |= {n: Progress() for n in range(count)}
            self._submitting = asyncio.create_task(self._submit(count))

    async def _submit(self, count: int) -> None:
        try:
            await self._submit_parts(count)
        except Problem as problem:  # this worker analyses the parts that are not there
            detail = problem.detail
            log.warning("parts not submitted", id=self._job.id, problem=problem.slug, detail=detail)

    async def _submit_parts(self, count: int) -> None:
        job, source = self._job, self._job.source
        await self._delete_parts()
        if source.object is None:
            key = f"{parts_folder(job.id, job.attempt)}/media"
            with self._path.open("rb") as file:
                await self._objects.put(key, file)
            source = replace(source, object=key)
        for number in range(1, count):
            options = {"job": job.id, "attempt": job.attempt, "part": number}
            await self._store.submit_part(
                Job(
                    id=self._id(number),
                    kind=PART,
                    state="queued",
                    source=source,
                    options=job.options | options,
                    created_at=self._store.clock(),
                    owner=job.owner,
                    traceparent=job.traceparent,
                )
            )
        log.info("video divided", id=job.id, parts=count)

    async def _collect(self, count: int, max_frames: int) -> None:
        """Analyses parts and collects those of others, until none is missing."""
        while (needed := missing(self._results, max_frames)) is not None:
            await self._collect_ended(count)
            number = await self._take(needed, count)
            if number is not None:
                await self._own(Part(number))
            elif missing(self._results, max_frames) == needed:
                await asyncio.sleep(_POLL_S)

    async def _collect_ended(self, count: int) -> None:
        """Reads the results of parts that others have analysed."""
        for number in range(1, count):
            if self._is_done(number):
                continue
            part = await self._reached(partial(self._store.get, self._id(number)))
            if part is not None and part.state not in ENDED:
                continue
            result = None if part is None else await self._read(part)
            if result is None:
                await self._own(Part(number))
                continue
            self._results[number] = result
            self._note(number, Progress("analyse", result.accumulator.sampled, 100.0))

    async def _read(self, part: Job) -> PartResult | None:
        """Reads the result of an ended part; None if it has none that can be read."""
        try:
            return None if not part.result else part_from_json(await self._objects.get(part.result))
        except (NotFound, ValueError) as error:
            log.warning("result of a part not readable", id=part.id, reason=str(error))
            return None

    async def _take(self, needed: int, count: int) -> int | None:
        """Takes the first part that no worker holds, of those that may still be needed."""
        for number in range(needed, count):
            take = partial(self._store.take_part, self._id(number))
            if not self._is_done(number) and await self._reached(take):
                return number
        return None

    def _is_done(self, number: int) -> bool:
        return number in self._results or number in self._joined

    async def _reached(self, call: Callable[[], Awaitable[T]]) -> T:
        """Calls the store until it responds, for as long as the lease of the job lasts."""
        while True:
            try:
                return await call()
            except UpstreamUnavailable as problem:
                log.warning("job store failed", id=self._job.id, detail=problem.detail)
                await asyncio.sleep(_POLL_S)

    async def _watch(self) -> None:
        """Follows the progress of the parts of others."""
        for number in self._progress.keys() - self._results.keys() - self._joined.keys():
            with contextlib.suppress(Problem):  # asked again
                part = await self._store.get(self._id(number))
                if part is not None and part.state == "running":
                    self._note(number, part.progress)

    def _note(self, number: int, progress: Progress) -> None:
        """Reports the progress of all parts together."""
        self._progress[number] = progress
        for joined, begin in self._joined.items():
            if begin == number:
                self._progress[joined] = replace(progress, frames=0)
        frames = sum(each.frames for each in self._progress.values())
        known = [each.percent or 0.0 for each in self._progress.values()]
        share = sum(known) / len(known) / 100
        if share <= 0:
            self._report(Progress("analyse", frames))
            return
        eta_s = (time.monotonic() - self._begun) * (1 - share) / share
        self._report(Progress("analyse", frames, round(100 * share, 1), round(eta_s, 1)))

    async def _keep_images(self, found: Sequence[PartResult]) -> None:
        """Moves the images to the job's gallery, by the numbers of shots in the whole video."""
        limit, shots = asyncio.Semaphore(_COPIES), len(found[0].accumulator.shots)

        async def copy(source: str, name: str) -> None:
            async with limit:
                await self._objects.copy(source, f"jobs/{self._job.id}/gallery/{name}")

        copies = []
        for result in found[1:]:
            folder = self._folder(result.part.number)
            copies += [
                copy(f"{folder}/{name}", renumbered(name, shots))
                for name in result.accumulator.image_names
            ]
            shots += len(result.accumulator.shots)
        await asyncio.gather(*copies)

    async def _clean(self) -> None:
        """Deletes the parts, which ends the work on them. What fails is left to retention."""
        if self._submitting is None:
            return
        self._submitting.cancel()
        await asyncio.gather(self._submitting, return_exceptions=True)
        with contextlib.suppress(Problem):
            await self._delete_parts()
            for attempt in range(self._job.attempt + 1):
                await self._objects.delete_all(parts_folder(self._job.id, attempt))

    async def _delete_parts(self) -> None:
        """Deletes the parts of this attempt and of earlier ones."""
        for part_id in await self._store.backend.parts(self._job.id):
            part = await self._store.get(part_id)
            if part is not None and part.options["attempt"] <= self._job.attempt:
                await self._store.delete(part_id)

    def _id(self, number: int) -> str:
        return f"{self._job.id}-{number}"

    def _folder(self, number: int) -> str:
        return part_folder(self._job.id, self._job.attempt, number)
