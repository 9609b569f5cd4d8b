"""Submission: validates a request, stores its media and its job."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import structlog

from deepfake_serving.contracts.jobs import LIVE, VIDEO, Job, Source, State
from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    Overloaded,
    Problem,
    RefusedURL,
)
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.idempotency import RequestKeys
from deepfake_serving.gateway.jobs.requests import (
    RemoteMedia,
    Request,
    UploadedMedia,
)
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.storage.spool import SpooledFile
from deepfake_serving.gateway.uploads.service import Uploads
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.video.decoding.other_files import refuse_other_file

log = structlog.get_logger(__name__)

Media = SpooledFile | RemoteMedia | UploadedMedia
_ACTIVE: tuple[State, ...] = ("queued", "running")


class Submission:
    """Accepts images, videos and live sources as jobs."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        objects: Objects,
        upstream: Upstream,
        fetcher: Fetcher | None,
        uploads: Uploads,
    ) -> None:
        self.settings, self.store, self.objects = settings, store, objects
        self.upstream, self.fetcher, self.uploads = upstream, fetcher, uploads

    async def submit(
        self,
        media: Media,
        request: Request,
        owner: Principal,
        traceparent: str | None = None,
    ) -> tuple[Job, bool]:
        """Submits a job.

        The media is stored before the job, so every accepted job can run. An upload is deleted
        after that; submitted again, it returns the job it became.

        Returns:
            The job, or the one that was submitted with the same idempotency key; and whether it
            is new.

        Raises:
            InvalidRequest: an option is invalid.
            UnknownModel: no model server serves the model.
            NotFound: there is no such upload.
            Conflict: the idempotency key was used with another request, or an upload is incomplete.
            RefusedURL: the webhook's URL is invalid, or of an address that is not public.
            UnsupportedMediaType: the file is certainly no video.
            Overloaded: too many jobs are queued, or too many live sources are active.
        """
        live = isinstance(media, RemoteMedia) and media.live
        kind = request.kind(live=live)
        job = Job(
            id=uuid.uuid4().hex,
            kind=kind,
            state="queued",
            source=Source(kind),
            options=await self._options(request, live),
            created_at=time.time(),
            owner=owner.id,
            webhook=request.webhook,
            daily=owner.limits.daily.model_dump(exclude_none=True) if live else None,
            traceparent=traceparent,
        )
        keys = RequestKeys(request, kind, owner)
        try:
            source = await self._store_media(media, job, owner)
        except NotFound as problem:
            if not isinstance(media, UploadedMedia):
                raise
            return await self._earlier(job, media, keys, problem), False
        upload = media if isinstance(media, UploadedMedia) else None
        key = keys.chosen(source) or (keys.of_upload(upload.upload) if upload else None)
        try:
            refusal = await self._live_refusal(owner) if live else None
            share = owner.limits.queued(self.settings.max_queued)
            stored, created = await self.store.submit(
                replace(job, source=source), key, refusal, share
            )
        except (Conflict, Overloaded):
            await self._delete_media(source)
            raise
        if not created:
            await self._delete_media(source)
        if upload is not None:
            await self._delete_upload(upload, keys, stored, owner)
        return stored, created

    async def _earlier(
        self, job: Job, media: UploadedMedia, keys: RequestKeys, problem: NotFound
    ) -> Job:
        """Returns the job that an upload became, which is found no more.

        Raises:
            NotFound: there was no such upload.
            Conflict: it became a job with other options.
        """
        for key in (keys.of_upload(media.upload), keys.chosen_before(media.upload)):
            if key is not None:
                try:
                    return (await self.store.submit(job, key, problem.detail))[0]
                except Overloaded:
                    continue
                except Conflict:
                    raise Conflict("the upload became a job with other options") from None
        raise problem

    async def _store_media(self, media: Media, job: Job, owner: Principal) -> Source:
        if isinstance(media, RemoteMedia):
            return Source(name=media.url[:200], url=media.url)
        key = f"jobs/{job.id}/media"
        if isinstance(media, UploadedMedia):
            upload = await self.uploads.find(media.upload, owner)
            digest = await self.uploads.move(upload, key)
            return Source(upload.name or job.kind, key, None, upload.length, digest)
        if job.kind == VIDEO:
            await asyncio.to_thread(refuse_other_file, media.file())
        await self.objects.put(key, media.file())
        return Source(media.name or job.kind, key, None, media.size, media.digest)

    async def _delete_upload(
        self, media: UploadedMedia, keys: RequestKeys, job: Job, owner: Principal
    ) -> None:
        """Deletes an upload that became a job, which its id names from then on; should that fail,
        it expires."""
        try:
            await self.store.backend.remember(keys.of_upload(media.upload), job.id)
            await self.uploads.delete(await self.uploads.find(media.upload, owner))
        except Problem as problem:
            log.warning("upload not deleted", id=media.upload, problem=problem.slug)
        self.uploads.on_event("submitted")

    async def _delete_media(self, source: Source) -> None:
        """Deletes media that no job refers to."""
        if source.object is not None:
            await self.objects.delete(source.object)

    async def _live_refusal(self, owner: Principal) -> str | None:
        """Returns why one more live source is not accepted, if so: of all keys, or of this one."""
        limit, owners = self.settings.source_max_jobs, list[str | None]()
        for state in _ACTIVE:
            jobs, _ = await self.store.list(Query(kind=LIVE, state=state), limit=limit + 1)
            owners += [job.owner for job in jobs]
        own = owners.count(owner.id)
        if len(owners) >= limit:
            return f"{len(owners)} live sources are running or queued"
        if owner.id is not None and own >= owner.limits.share(limit):
            return f"{own} live sources of this API key are running or queued, its share"
        return None

    async def _options(self, request: Request, live: bool) -> dict[str, Any]:
        options = request.options(self.settings, live=live)
        if request.webhook is not None:
            if self.settings.webhook_secret is None or self.fetcher is None:
                raise InvalidRequest("webhooks are off: webhook_secret is not set")
            try:
                await self.fetcher.check_resolved(request.webhook)
            except RefusedURL as problem:
                raise RefusedURL(f"webhook: {problem.detail}") from None
        if request.model:
            self.upstream.check_model(request.model)
        return options | {"model": self.upstream.detector(request.model)}
