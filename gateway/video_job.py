"""What a worker does for a job of the kind `video`: its medium, its frames, its verdict, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from contracts.jobs import Job, Progress
from contracts.problems import Problem
from gateway.objects import Objects
from gateway.settings import Settings
from gateway.upstream import Asked, Upstream
from gateway.urls import Fetcher
from gateway.video.analyse import analyse
from gateway.video.options import VideoOptions
from gateway.video.pixels import Pixels
from gateway.video.sampling import Sampling


class VideoJob:
    """A handler of jobs."""

    def __init__(
        self, settings: Settings, upstream: Upstream, objects: Objects, fetcher: Fetcher
    ) -> None:
        self.settings, self.upstream = settings, upstream
        self.objects, self.fetcher = objects, fetcher

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> bytes:
        """The JSON of the job's `VideoVerdict`; its pictures are stored beside it.

        Raises:
            Problem
        """
        report(Progress("fetch"))
        medium = workspace / "medium"
        await self._fetch(job, medium)

        async def keep(name: str, picture: bytes) -> None:
            await self.objects.put(f"jobs/{job.id}/gallery/{name}", picture)

        async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
            loop = asyncio.get_running_loop()
            asked = Asked(job.id, loop.time() + self.settings.request_timeout_s)
            return await self.upstream.frames(frames, job.options["model"], asked)

        verdict = await analyse(medium, detect, self._options(job), keep, report)
        return orjson.dumps(verdict)

    async def _fetch(self, job: Job, medium: Path) -> None:
        if job.source.object is not None:
            await self.objects.get_file(job.source.object, medium)
        else:
            assert job.source.url is not None
            await self.fetcher.fetch(job.source.url, medium, self.settings.max_video_bytes)

    def _options(self, job: Job) -> VideoOptions:
        return VideoOptions(
            sampling=Sampling.parse(job.options["sampling"]),
            aggregation=job.options["aggregation"],
            shots=job.options["shots"],
            max_duration_s=self.settings.max_video_s,
            max_frames=self.settings.max_video_frames,
        )
