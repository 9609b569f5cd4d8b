"""From what a caller sends to a job that is stored: checked, medium kept, settings fixed."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from deepfake_serving.contracts.jobs import LIVE, Job, Source, State
from deepfake_serving.contracts.problems import Conflict, InvalidRequest, Overloaded
from deepfake_serving.contracts.video import Aggregation
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.storage.spool import SpooledFile
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.video.sampling import Sampling

_UNENDED: tuple[State, ...] = ("queued", "running")


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """What a caller asks of a video; None for the server's own settings."""

    sampling: str | None = None
    shots: bool = True
    aggregation: Aggregation | None = None
    model: str | None = None
    webhook: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """A medium that the worker fetches, or a live source that it follows."""

    url: str
    live: bool = False


class Submission:
    """Takes media and makes jobs of them."""

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
        medium: SpooledFile | RemoteMedia,
        asked: VideoRequest,
        owner: Principal,
        traceparent: str | None = None,
    ) -> Job:
        """A new job, or the one that the same idempotency key made before.

        The medium is stored before the job is: what is accepted can be worked on.

        Raises:
            InvalidRequest: an option that there isn't.
            Conflict: the idempotency key was used with another request.
            RefusedURL: a webhook that is none.
            Overloaded: too many jobs wait, or too many live sources are followed.
        """
        live = isinstance(medium, RemoteMedia) and medium.live
        options = self._options(asked, live)
        job_id = uuid.uuid4().hex
        if isinstance(medium, RemoteMedia):
            source = Source(name=medium.url[:200], url=medium.url)
        else:
            key = f"jobs/{job_id}/media"
            source = Source(medium.name or "video", key, None, medium.size, medium.digest)
            await self.objects.put(key, medium.file())
        job = Job(
            id=job_id,
            kind=LIVE if live else "video",
            state="queued",
            source=source,
            options=options,
            created_at=time.time(),
            owner=owner.id,
            webhook=asked.webhook,
            traceparent=traceparent,
        )
        try:
            once = self._idempotency(job, asked, owner)
            full = await self._full_of_streams() if live else None
            stored, created = await self.store.submit(job, once, full)
        except (Conflict, Overloaded):
            await self._forget(source)
            raise
        if not created:
            await self._forget(source)
        return stored

    async def _forget(self, source: Source) -> None:
        """A medium that no job will need."""
        if source.object is not None:
            await self.objects.delete(source.object)

    async def _full_of_streams(self) -> str | None:
        """Why there is no room for one more live source."""
        most = self.settings.source_max_jobs
        count = 0
        for state in _UNENDED:
            count += len((await self.store.list(kind=LIVE, state=state, limit=most + 1))[0])
        return f"{count} live sources are followed or wait" if count >= most else None

    def _options(self, asked: VideoRequest, live: bool) -> dict[str, Any]:
        settings = self.settings
        usual = settings.source_sampling if live else settings.video_sampling
        sampling = asked.sampling or usual
        Sampling.parse(sampling)
        if asked.webhook is not None:
            if settings.webhook_secret is None or self.fetcher is None:
                raise InvalidRequest("webhooks are not set up here")
            self.fetcher.check(asked.webhook)
        return {
            "sampling": sampling,
            "shots": asked.shots,
            "aggregation": asked.aggregation or settings.video_aggregation,
            "model": asked.model or self.upstream.detector(),
        }

    def _idempotency(
        self, job: Job, asked: VideoRequest, owner: Principal
    ) -> tuple[str, str, str] | None:
        """The owner, the key, and a fingerprint of all that the request says."""
        key = asked.idempotency_key
        if key is None:
            return None
        if not 0 < len(key) <= 200:
            raise InvalidRequest("Idempotency-Key has 1 to 200 characters")
        medium = job.source.digest or job.source.url
        kind = [LIVE] if job.kind == LIVE else []
        said = orjson.dumps([medium, asdict(asked), *kind], option=orjson.OPT_SORT_KEYS)
        return owner.id or "", key, hashlib.sha256(said).hexdigest()
