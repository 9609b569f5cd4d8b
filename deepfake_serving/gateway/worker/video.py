"""What a worker does for a job of the kind `video`: its medium, its frames, its verdict, kept."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.problems import NotFound, Problem, RefusedURL
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.fetch.sites import Sites
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampling


class VideoJob:
    """A handler of jobs."""

    def __init__(
        self, settings: Settings, upstream: Upstream, objects: Objects, fetcher: Fetcher | None
    ) -> None:
        self.settings, self.upstream = settings, upstream
        self.objects, self.fetcher = objects, fetcher
        self.sites: Sites | None = None
        if fetcher is not None and settings.fetch_sites:
            self.sites = Sites(fetcher, settings.fetch_private)

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """The job's `VideoVerdict` and its pictures, stored.

        The same medium, analysed before by the same model with the same settings, is not analysed
        again.

        Raises:
            Problem
        """
        report(Progress("fetch"))
        medium = workspace / "medium"
        digest = await self._fetch(job, medium)
        cache = self._cache_key(job, digest)
        earlier = await self._earlier(cache, job)
        if earlier is not None:
            return earlier
        verdict = await self._analyse(job, medium, report)
        report(Progress("store", verdict.frames_analyzed, 99.0))
        result = f"jobs/{job.id}/result.json"
        await self.objects.put(result, orjson.dumps(verdict))
        await self.objects.put(cache, job.id.encode())
        return Outcome(result, _summary(verdict.verdict, verdict.fake_probability))

    async def _analyse(
        self, job: Job, medium: Path, report: Callable[[Progress], None]
    ) -> VideoVerdict:
        async def keep(name: str, picture: bytes) -> None:
            await self.objects.put(f"jobs/{job.id}/gallery/{name}", picture)

        async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
            deadline = asyncio.get_running_loop().time() + self.settings.request_timeout_s
            asked = RequestContext(job.id, deadline, job.traceparent)
            return await self.upstream.detect_frames(frames, job.options["model"], asked)

        verdict = await analyse(medium, detect, self._options(job), keep, report)
        return dataclasses.replace(verdict, id=job.id)

    def _cache_key(self, job: Job, digest: str) -> str:
        """By all that the result depends on: the medium, the model's archive, the settings."""
        served = self.upstream.pools.models().get(job.options["model"], {})
        models = sorted(str(ref.digest) for ref in served.values())
        said = orjson.dumps([digest, models, job.options], option=orjson.OPT_SORT_KEYS)
        return f"cache/{hashlib.sha256(said).hexdigest()}"

    async def _earlier(self, cache: str, job: Job) -> Outcome | None:
        """The result of an earlier job, copied, so that it outlives that one."""
        try:
            source = (await self.objects.get(cache)).decode()
            verdict = orjson.loads(await self.objects.get(f"jobs/{source}/result.json"))
            for name in verdict["gallery"]:
                folders = f"jobs/{source}/gallery/{name}", f"jobs/{job.id}/gallery/{name}"
                await self.objects.copy(*folders)
        except NotFound:
            return None
        result = f"jobs/{job.id}/result.json"
        await self.objects.put(result, orjson.dumps(verdict | {"id": job.id}))
        await self.objects.put(cache, job.id.encode())  # the younger one is deleted later
        summary = _summary(verdict["verdict"], verdict["fake_probability"])
        return Outcome(result, summary, cached=True)

    async def _fetch(self, job: Job, medium: Path) -> str:
        """Brings the medium here; returns its digest."""
        if job.source.object is not None:
            await self.objects.get_file(job.source.object, medium)
            return str(job.source.digest)
        if job.source.url is None or self.fetcher is None:
            raise RefusedURL("media are not fetched from URLs here")
        url = await self.sites.resolve(job.source.url) if self.sites else job.source.url
        digest = hashlib.sha256()
        with medium.open("wb") as file:

            def write(piece: bytes) -> None:
                digest.update(piece)
                file.write(piece)

            await self.fetcher.fetch(url, write, self.settings.max_video_bytes)
        return f"sha256:{digest.hexdigest()}"

    def _options(self, job: Job) -> VideoOptions:
        return VideoOptions(
            sampling=Sampling.parse(job.options["sampling"]),
            aggregation=job.options["aggregation"],
            shots=job.options["shots"],
            max_duration_s=self.settings.max_video_s,
            max_frames=self.settings.max_video_frames,
        )


def _summary(verdict: str, probability: float | None) -> dict[str, Any]:
    return {"verdict": verdict, "fake_probability": probability}
