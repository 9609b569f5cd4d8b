"""Jobs as their owners see them: lookup, lists, events, cancellation, deletion."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from deepfake_serving.contracts.jobs import ENDED, LIVE, PART, Job
from deepfake_serving.contracts.live import Window
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.jobs.document import linked
from deepfake_serving.gateway.live.windows import read_windows, result_key
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.serialization import from_plain

_IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}\.(jpg|png)")


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A stored media file, read in ranges."""

    objects: Objects
    key: str
    name: str
    size: int
    content_type: str
    digest: str | None

    def read(self, begin: int, end: int) -> AsyncIterator[bytes]:
        """Reads the bytes from `begin` up to `end`, exclusive."""
        return self.objects.read(self.key, begin, end)


class JobService:
    """Every method takes the client's principal. Jobs of other owners are not found."""

    def __init__(self, store: JobStore, objects: Objects) -> None:
        self.store, self.objects = store, objects
        self._feedback = FeedbackStore(store.backend.collection("feedback"))

    async def get(self, job_id: str, principal: Principal) -> Job:
        """Returns a job.

        Raises:
            NotFound: there is no such job, or it has another owner.
        """
        job = await self.store.get(job_id)
        if job is None or job.kind == PART or not principal.may_see(job.owner):
            raise NotFound(f"no job {job_id[:80]!r}")
        return job

    async def result(self, job: Job) -> bytes | None:
        """Returns the JSON of the result: an `ImageVerdict`, a `VideoVerdict` or a `LiveVerdict`.

        A live source has one from its first window on, however it ends.
        """
        key = result_key(job.id) if job.kind == LIVE else job.result
        if key is None:
            return None
        try:
            return await self.objects.get(key)
        except NotFound:
            if job.kind == LIVE:
                return None
            raise

    async def windows(
        self, job_id: str, principal: Principal, after: int, limit: int
    ) -> list[Window]:
        """Returns the windows of a live source after a number, up to a limit.

        Raises:
            NotFound: there is no such job, or it has no live source.
        """
        job = await self.get(job_id, principal)
        if job.kind != LIVE:
            raise NotFound("only jobs of live sources have windows")
        windows: list[Window] = []
        async with aclosing(read_windows(self.objects, job_id, after)) as documents:
            async for document in documents:
                window = from_plain(Window, document)
                windows.append(replace(window, shots=linked(window.shots, job_id)))
                if len(windows) == limit:
                    break
        return windows

    async def list(
        self, principal: Principal, query: Query, *, limit: int, cursor: str | None
    ) -> tuple[list[Job], str | None]:
        """Returns a page of the principal's jobs, the newest first, and the next page's cursor."""
        owner = None if principal.sees_all else principal.id
        return await self.store.list(replace(query, owner=owner), limit=limit, cursor=cursor)

    async def cancel(self, job_id: str, principal: Principal) -> Job:
        """Cancels a job."""
        await self.get(job_id, principal)
        return await self.store.cancel(job_id)

    async def cancel_or_delete(self, job_id: str, principal: Principal) -> Job | None:
        """Cancels a job that has not ended and returns it; deletes one that has, and returns
        None."""
        job = await self.get(job_id, principal)
        if job.state not in ENDED:
            return await self.store.cancel(job_id)
        await self.delete(job_id, principal)
        return None

    async def delete(self, job_id: str, principal: Principal) -> None:
        """Deletes a job with all of its objects and the feedback on it."""
        await self.get(job_id, principal)
        await self.store.delete(job_id)
        await self.objects.delete_all(f"jobs/{job_id}")
        await self._feedback.forget_jobs([job_id])

    async def watch(self, job_id: str, principal: Principal) -> AsyncIterator[Job | None]:
        """Yields the job now and after each change, until it has ended; None as a keep-alive."""
        job = await self.get(job_id, principal)
        yield job
        while job.state not in ENDED:
            changed = await self.store.changed(job, timeout_s=2)
            if changed is not None:
                job = changed
            yield changed

    async def image(self, job_id: str, name: str, principal: Principal) -> bytes:
        """Returns a JPEG or PNG of the gallery."""
        await self.get(job_id, principal)
        if not _IMAGE_NAME.fullmatch(name):
            raise NotFound("no such image")
        return await self.objects.get(f"jobs/{job_id}/gallery/{name}")

    async def media(self, job_id: str, principal: Principal) -> StoredMedia:
        """Returns the uploaded media of a job.

        Raises:
            NotFound
        """
        job = await self.get(job_id, principal)
        if job.source.object is None:
            raise NotFound("the media file is not stored")
        size = await self.objects.size(job.source.object)
        content_type = mimetypes.guess_type(job.source.name)[0] or "application/octet-stream"
        if not content_type.startswith(("video/", "image/")) or content_type == "image/svg+xml":
            content_type = "application/octet-stream"  # a page, or one with scripts
        name, digest = job.source.name, job.source.digest
        return StoredMedia(self.objects, job.source.object, name, size, content_type, digest)
