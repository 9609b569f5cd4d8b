"""Submission: validates a request, stores its media and its job."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import asdict
from typing import Any

import orjson

from deepfake_serving.contracts.jobs import LIVE, VIDEO, Job, Source, State
from deepfake_serving.contracts.problems import Conflict, InvalidRequest, Overloaded
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.requests import RemoteMedia, Request
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.storage.spool import SpooledFile
from deepfake_serving.gateway.upstream.client import Upstream

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
    ) -> None:
        self.settings, self.store, self.objects = settings, store, objects
        self.upstream, self.fetcher = upstream, fetcher

    async def submit(
        self,
        media: SpooledFile | RemoteMedia,
        request: Request,
        owner: Principal,
        traceparent: str | None = None,
    ) -> tuple[Job, bool]:
        """Submits a job.

        The media is stored before the job, so every accepted job can run.

        Returns:
            The job, or the one that was submitted with the same idempotency key; and whether it
            is new.

        Raises:
            InvalidRequest: an option is invalid.
            UnknownModel: no model server serves the model.
            Conflict: the idempotency key was used with another request.
            RefusedURL: the webhook's URL is invalid, or of an address that is not public.
            Overloaded: too many jobs are queued, or too many live sources are active.
        """
        live = isinstance(media, RemoteMedia) and media.live
        options = await self._options(request, live)
        job_id = uuid.uuid4().hex
        kind = request.kind(live=live)
        source = await self._store_media(media, job_id, kind)
        job = Job(
            id=job_id,
            kind=kind,
            state="queued",
            source=source,
            options=options,
            created_at=time.time(),
            owner=owner.id,
            webhook=request.webhook,
            traceparent=traceparent,
        )
        try:
            idempotency = self._idempotency(job, request, owner)
            refusal = await self._live_refusal() if live else None
            share = owner.limits.queued(self.settings.max_queued)
            stored, created = await self.store.submit(job, idempotency, refusal, share)
        except (Conflict, Overloaded):
            await self._delete_media(source)
            raise
        if not created:
            await self._delete_media(source)
        return stored, created

    async def _store_media(
        self, media: SpooledFile | RemoteMedia, job_id: str, kind: str
    ) -> Source:
        if isinstance(media, RemoteMedia):
            return Source(name=media.url[:200], url=media.url)
        key = f"jobs/{job_id}/media"
        await self.objects.put(key, media.file())
        return Source(media.name or kind, key, None, media.size, media.digest)

    async def _delete_media(self, source: Source) -> None:
        """Deletes media that no job refers to."""
        if source.object is not None:
            await self.objects.delete(source.object)

    async def _live_refusal(self) -> str | None:
        """Returns why one more live source is not accepted, if so."""
        limit = self.settings.source_max_jobs
        count = 0
        for state in _ACTIVE:
            count += len((await self.store.list(Query(kind=LIVE, state=state), limit=limit + 1))[0])
        return f"{count} live sources are running or queued" if count >= limit else None

    async def _options(self, request: Request, live: bool) -> dict[str, Any]:
        options = request.options(self.settings, live=live)
        if request.webhook is not None:
            if self.settings.webhook_secret is None or self.fetcher is None:
                raise InvalidRequest("webhooks are not configured on this server")
            await self.fetcher.check_resolved(request.webhook)
        if request.model:
            self.upstream.check_model(request.model)
        return options | {"model": self.upstream.detector(request.model)}

    def _idempotency(
        self, job: Job, request: Request, owner: Principal
    ) -> tuple[str, str, str] | None:
        """Returns the owner, the key, and a fingerprint of the whole request."""
        key = request.idempotency_key
        if key is None:
            return None
        if not 0 < len(key) <= 200:
            raise InvalidRequest("an Idempotency-Key has 1 to 200 characters")
        media = job.source.digest or job.source.url
        kind = [] if job.kind == VIDEO else [job.kind]
        fingerprint = orjson.dumps([media, asdict(request), *kind], option=orjson.OPT_SORT_KEYS)
        return owner.id or "", key, hashlib.sha256(fingerprint).hexdigest()
