"""The handler of image jobs: analyses the image as a request would, and stores its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.provenance.reader import ProvenanceReader


class ImageJob:
    """A handler of jobs of the kind `image`."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        objects: Objects,
        media: JobMedia,
        provenance: ProvenanceReader,
        on_timed: Callable[[bytes, float, str], None] | None = None,
    ) -> None:
        """`on_timed` is called as `ImageAnalysis` does."""
        self.settings, self.upstream, self.objects = settings, upstream, objects
        self.media, self.provenance, self.on_timed = media, provenance, on_timed

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """Stores the job's `ImageVerdict`.

        Raises:
            Problem
        """
        report(Progress("fetch"))
        path = workspace / "media"
        await self.media.download(job, path, self.settings.max_image_bytes)
        report(Progress("analyse", 1))
        image = await asyncio.to_thread(path.read_bytes)
        deadline = asyncio.get_running_loop().time() + self.settings.request_timeout_s
        context = RequestContext(job.id, deadline, job.traceparent)
        document = await self._analysis(job).run(image, context)
        key = f"jobs/{job.id}/result.json"
        await self.objects.put(key, document)
        verdict = orjson.loads(document)
        return Outcome(key, {name: verdict[name] for name in ("verdict", "fake_probability")})

    def _analysis(self, job: Job) -> ImageAnalysis:
        options = job.options
        reader = self.provenance if options["provenance"] else None
        return ImageAnalysis(
            self.upstream,
            options["model"],
            options["explain"],
            reader,
            options["boxes"],
            options.get("preview", False),  # jobs of earlier versions have none
            on_timed=self.on_timed,
        )
