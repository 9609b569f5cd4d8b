"""The files of videos whose parts a worker analyses: each is downloaded once for all its parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.problems import NotFound, Problem
from deepfake_serving.gateway.jobs.loop import WORKSPACES
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.scratch.workspaces import workspace

_POLL_S = 2.0

Attempt = tuple[str, int]
"""The id of a job, and which attempt at it."""


class PartMedia:
    """Keeps a video while its job runs, so that its next part needs no download.

    Of the files that no part uses, only that of the last part is kept, until a part of another
    video begins.
    """

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self._store, self._objects = store, objects
        self._files: dict[Attempt, _File] = {}

    @contextlib.asynccontextmanager
    async def file(self, part: Job) -> AsyncIterator[Path]:
        """Yields the file of a part's video, which other parts may use at the same time.

        Raises:
            NotFound: nobody waits for the part, or its video is gone.
            Problem
        """
        attempt = part.options["job"], part.options["attempt"]
        if not await self._is_running(attempt):
            raise NotFound("the video of this part is not analysed any more")
        file = self._files.get(attempt) or self._new(attempt, str(part.source.object))
        file.users += 1
        try:
            yield await file.downloaded()
        finally:
            file.users -= 1
            self._delete_unused(keep=file if file.complete else None)

    def close(self) -> None:
        """Deletes all files."""
        for file in self._files.values():
            file.delete()
        self._files.clear()

    def _new(self, attempt: Attempt, key: str) -> _File:
        self._delete_unused()
        file = self._files[attempt] = _File(self._objects, key)
        file.watch(self._deleted_with_job(attempt, file))
        return file

    async def _deleted_with_job(self, attempt: Attempt, file: _File) -> None:
        """Waits until a job has ended and its file is deleted."""
        while self._files.get(attempt) is file:
            await asyncio.sleep(_POLL_S)
            with contextlib.suppress(Problem):  # asked again
                if not await self._is_running(attempt):
                    self._delete_unused()

    async def _is_running(self, attempt: Attempt) -> bool:
        job = await self._store.get(attempt[0])
        return job is not None and (job.state, job.attempt) == ("running", attempt[1])

    def _delete_unused(self, keep: _File | None = None) -> None:
        for attempt, file in list(self._files.items()):
            if not file.users and file is not keep:
                del self._files[attempt]
                file.delete()


class _File:
    """A file in a folder of its own."""

    def __init__(self, objects: Objects, key: str) -> None:
        self.users = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._scratch = contextlib.ExitStack()
        self._path = self._scratch.enter_context(workspace(WORKSPACES)) / "media"
        self._download = asyncio.create_task(objects.get_file(key, self._path))
        self._tasks.append(self._download)

    @property
    def complete(self) -> bool:
        """Whether the download succeeded."""
        ended = self._download.done() and not self._download.cancelled()
        return ended and self._download.exception() is None

    async def downloaded(self) -> Path:
        """Waits for the download, which goes on for others if one of them no longer waits."""
        await asyncio.shield(self._download)
        return self._path

    def watch(self, watching: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine until the file is deleted."""
        self._tasks.append(asyncio.create_task(watching))

    def delete(self) -> None:
        """Deletes the file and its folder."""
        for task in self._tasks:
            task.cancel()
        self._scratch.close()
