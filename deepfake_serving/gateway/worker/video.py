"""The handler of video jobs: downloads the media, analyses it, stores verdict and images."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.problems import NotFound, Problem
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.jobs.document import image_name, link_result, thumbnail
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.predictions.log import PredictionLog
from deepfake_serving.gateway.predictions.prediction import video_prediction
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.worker.division import Division
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.options import video_options
from deepfake_serving.runtime.serialization import from_json, to_json
from deepfake_serving.video.accumulator import LEFT_OUT
from deepfake_serving.video.analyse import Detect, SaveImage, analyse, analyse_part
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.joining import Joins, alone
from deepfake_serving.video.parts.result import NotDivisible, PartResult
from deepfake_serving.video.people.embedder import FaceEmbedder

log = structlog.get_logger(__name__)


class VideoJob:
    """A handler of jobs of the kind `video`."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        objects: Objects,
        media: JobMedia,
        predictions: PredictionLog | None = None,
        embedder: FaceEmbedder | None = None,
        store: JobStore | None = None,
    ) -> None:
        """Sets up a handler.

        Args:
            store: Where idle workers find the parts of a long video; None: it is not shared.
        """
        self.store = store
        self.settings, self.upstream = settings, upstream
        self.objects, self.media = objects, media
        self.predictions, self.embedder = predictions, embedder

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """Stores the job's `VideoVerdict` and its images.

        The result of an earlier job is reused if media, model and options are the same.

        Raises:
            Problem
        """
        report(Progress("fetch"))
        path = workspace / "media"
        digest = await self.media.download(job, path, self.settings.max_video_bytes)
        cache_key = self._cache_key(job, digest)
        cached = await self._reuse_cached(cache_key, job)
        if cached is not None:
            return cached
        verdict = await self._analyse(job, path, report)
        report(Progress("store", verdict.frames_analyzed, 99.0))
        outcome = await self._store(job, verdict, cache_key)
        if self.predictions is not None:
            seconds = verdict.timings_ms["total"] / 1000
            self.predictions.offer(video_prediction(verdict, seconds, job.id))
        return dataclasses.replace(outcome, video_seconds=_analysed_seconds(verdict))

    async def _analyse(
        self, job: Job, path: Path, report: Callable[[Progress], None]
    ) -> VideoVerdict:
        async def save_image(name: str, image: bytes) -> None:
            await self.objects.put(f"jobs/{job.id}/gallery/{name}", image)

        options = self._options(job)
        if self.store is not None and options.part_s is not None:
            division = Division(job, path, self.store, self.objects, self.analyse_part, report)
            try:
                result = await division.analysed(options.max_frames)
                return await asyncio.to_thread(result.verdict, options)
            except NotDivisible as error:
                log.info("video not divisible", id=job.id, reason=str(error))
        detect = self._detection(job, options)
        return await analyse(path, detect, options, save_image, report, self.embedder)

    async def analyse_part(
        self,
        job: Job,
        path: Path,
        part: Part,
        save_image: SaveImage,
        report: Callable[[Progress], None],
        on_start: Callable[[int], None] = lambda _: None,
        joins: Joins = alone,
    ) -> PartResult:
        """Analyses a part of a file with the options of a job.

        Raises:
            Problem
        """
        options = self._options(job)
        detect = self._detection(job, options)
        return await analyse_part(
            path, detect, options, save_image, report, self.embedder, part, on_start, joins
        )

    def _options(self, job: Job) -> VideoOptions:
        return video_options(job, self.settings, self.upstream.thresholds(job.options["model"]))

    def _detection(self, job: Job, options: VideoOptions) -> Detect:
        model = job.options["model"]

        async def detect(frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
            deadline = asyncio.get_running_loop().time() + self.settings.request_timeout_s
            context = RequestContext(job.id, deadline, job.traceparent)
            return await self.upstream.detect_frames(
                frames, model, context, explain=options.explain
            )

        return detect

    async def _store(
        self, job: Job, verdict: VideoVerdict, cache_key: str, *, cached: bool = False
    ) -> Outcome:
        """Stores the verdict as responses contain it: with the job's id and links.

        The cache then refers to this job, which is deleted later than an earlier one. A verdict
        that lacks members of its ensemble is not reused.
        """
        key = f"jobs/{job.id}/result.json"
        document = link_result(dataclasses.replace(verdict, id=job.id), job.id)
        await self.objects.put(key, to_json(document))
        if not any(LEFT_OUT in warning for warning in verdict.warnings):
            await self.objects.put(cache_key, job.id.encode())
        summary = {
            "verdict": verdict.verdict,
            "fake_probability": verdict.fake_probability,
            "image": thumbnail(verdict),
        }
        return Outcome(key, summary, cached=cached)

    def _cache_key(self, job: Job, digest: str) -> str:
        """Hashes all that the result depends on: the media, the model's archive, the options.

        And the owner, who must not learn from a cached result that others have the media.
        """
        served = self.upstream.models().get(job.options["model"], {})
        models = sorted(str(ref.digest) for ref in served.values())
        owner = [] if self.settings.shared_cache else [job.owner]
        people = [] if self.embedder is None else [self.embedder.digest]
        parts = self.settings.video_part_s
        inputs = [digest, models, job.options, *owner, *people, parts]
        hashed = hashlib.sha256(orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS))
        return f"cache/{hashed.hexdigest()}"

    async def _reuse_cached(self, cache_key: str, job: Job) -> Outcome | None:
        """Copies the result of an earlier job, so that it outlives that job.

        Returns:
            None if there is none, or none that this version can read.
        """
        try:
            source = (await self.objects.get(cache_key)).decode()
            result = await self.objects.get(f"jobs/{source}/result.json")
            verdict = from_json(VideoVerdict, result)
            for name in map(image_name, verdict.gallery):
                keys = f"jobs/{source}/gallery/{name}", f"jobs/{job.id}/gallery/{name}"
                await self.objects.copy(*keys)
        except NotFound:
            return None
        except ValueError as error:
            log.warning("cached result not readable", id=job.id, reason=str(error)[:200])
            return None
        return await self._store(job, verdict, cache_key, cached=True)


def _analysed_seconds(verdict: VideoVerdict) -> float:
    """Returns the length of the analysed part of a video."""
    return verdict.shots[-1].end_s if verdict.shots else verdict.duration_s or 0.0
