"""Jobs as their owners see them: looked up, listed, watched, cancelled, deleted."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from deepfake_serving.contracts.documents import JobDocument
from deepfake_serving.contracts.jobs import ENDED, LIVE, Job, State
from deepfake_serving.contracts.live import LiveVerdict, Window
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.contracts.serialization import from_json, from_plain
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.jobs.document import job_document, linked
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.gateway.live.windows import read, result_key
from deepfake_serving.gateway.storage.objects import Objects

_PICTURE = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}\.jpg")


@dataclass(frozen=True, slots=True)
class Medium:
    """A stored medium that is read in parts."""

    objects: Objects
    key: str
    size: int
    content_type: str

    def read(self, begin: int, end: int) -> AsyncIterator[bytes]:
        return self.objects.read(self.key, begin, end)


class JobService:
    """Every method takes who asks; a job of somebody else is as good as none."""

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self.store, self.objects = store, objects

    async def get(self, job_id: str, principal: Principal) -> Job:
        """Raises `NotFound`."""
        job = await self.store.get(job_id)
        if job is None or not principal.may_see(job.owner):
            raise NotFound(f"there is no job {job_id[:80]!r}")
        return job

    async def document(self, job_id: str, principal: Principal) -> JobDocument:
        """Returns the job's document, with its result where it has one."""
        job = await self.get(job_id, principal)
        return job_document(job, await self._result(job))

    async def _result(self, job: Job) -> VideoVerdict | LiveVerdict | None:
        """Reads the result. A live source has one from its first window on, however it ends."""
        key = result_key(job.id) if job.kind == LIVE else job.result
        if key is None:
            return None
        try:
            data = await self.objects.get(key)
        except NotFound:
            if job.kind == LIVE:
                return None
            raise
        if job.kind == LIVE:
            return from_json(LiveVerdict, data)
        return from_json(VideoVerdict, data)

    async def windows(
        self, job_id: str, principal: Principal, after: int, limit: int
    ) -> list[Window]:
        """The windows of a live source that follow, as far as there are any.

        Raises:
            NotFound: no such job, or none of a live source.
        """
        job = await self.get(job_id, principal)
        if job.kind != LIVE:
            raise NotFound("only jobs of live sources have windows")
        found: list[Window] = []
        async with aclosing(read(self.objects, job_id, after)) as windows:
            async for document in windows:
                window = from_plain(Window, document)
                found.append(replace(window, shots=linked(window.shots, job_id)))
                if len(found) == limit:
                    break
        return found

    async def list(
        self,
        principal: Principal,
        *,
        state: State | None,
        kind: str | None,
        text: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[Job], str | None]:
        """A page of jobs, the newest first, and where the next one begins."""
        owner = None if principal.sees_all else principal.id
        return await self.store.list(
            owner=owner, state=state, kind=kind, text=text, limit=limit, cursor=cursor
        )

    async def cancel(self, job_id: str, principal: Principal) -> Job:
        await self.get(job_id, principal)
        return await self.store.cancel(job_id)

    async def delete(self, job_id: str, principal: Principal) -> None:
        """An ended job, with all that it kept."""
        await self.get(job_id, principal)
        await self.store.delete(job_id)
        await self.objects.delete_all(f"jobs/{job_id}")

    async def watch(self, job_id: str, principal: Principal) -> AsyncIterator[Job | None]:
        """The job now and after each change, until it has ended; None as a sign of life."""
        job = await self.get(job_id, principal)
        yield job
        while job.state not in ENDED:
            changed = await self.store.changed(job_id, job.version, timeout_s=2)
            if changed is not None:
                job = changed
            yield changed

    async def picture(self, job_id: str, name: str, principal: Principal) -> bytes:
        """A JPEG of the gallery."""
        await self.get(job_id, principal)
        if not _PICTURE.fullmatch(name):
            raise NotFound("there is no such picture")
        return await self.objects.get(f"jobs/{job_id}/gallery/{name}")

    async def medium(self, job_id: str, principal: Principal) -> Medium:
        job = await self.get(job_id, principal)
        if job.source.object is None:
            raise NotFound("the medium is not kept")
        size = await self.objects.size(job.source.object)
        kind = mimetypes.guess_type(job.source.name)[0] or "application/octet-stream"
        if not kind.startswith(("video/", "image/")):
            kind = "application/octet-stream"
        return Medium(self.objects, job.source.object, size, kind)
