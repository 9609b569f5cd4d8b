"""Turns segments of a live source into windows: analysed like short videos, dated, appended."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.live import Window
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import Label, ModelRef
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.jobs.loop import FINAL
from deepfake_serving.gateway.live.smoothing import smooth
from deepfake_serving.gateway.live.windows import Windows
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.sources.segment import Segment
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.worker.options import video_options
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.decoding.pixels import Pixels

log = structlog.get_logger(__name__)

_TIME_CONSTANT_S = 30.0
_WITH_IMAGES = ("suspicious", "fake")
"""Verdicts of windows whose images are stored. A day of all windows would be many thousands."""


class WindowProcessor:
    """Processes the segments of one source, in order."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        objects: Objects,
        job: Job,
        windows: Windows,
        report: Callable[[Progress], None],
        count: Callable[[str], None],
    ) -> None:
        """`count` is called with `judged` or `problem` for each window."""
        self._settings, self._upstream, self._objects = settings, upstream, objects
        self._job, self._windows = job, windows
        self._on_progress, self._count = report, count
        self._last_verdict: Label | None = None
        self.started_at = job.started_at or time.time()
        thresholds = upstream.thresholds(job.options["model"])
        self._options = video_options(job, settings, thresholds)
        self._gap: str | None = None
        if windows.summary.windows:
            self._gap = "the job moved to another worker"

    def report(self) -> None:
        """Reports the progress."""
        summary = self._windows.summary
        self._on_progress(
            Progress(
                "follow",
                summary.frames_analyzed,
                windows=summary.windows,
                seconds=summary.duration_s,
                verdict=self._last_verdict,
            )
        )

    async def process(self, segment: Segment) -> None:
        """Analyses a segment and appends its window.

        Raises:
            Problem: the first segment cannot be analysed, and a retry would not help.
        """
        start_s, end_s, gap = self._place(segment)
        self._gap = None
        images: dict[str, bytes] = {}

        async def save_image(name: str, image: bytes) -> None:
            images[name] = image

        try:
            verdict = await analyse(
                segment.path, self._detect, self._options, save_image, lambda _: None
            )
        except Problem as problem:
            if not self._windows.summary.windows and isinstance(problem, FINAL):
                raise
            self._count("problem")
            log.info("window failed", id=self._job.id, problem=problem.slug, detail=problem.detail)
            document = problem.to_dict(self._job.id)
            await self._append(Window(0, start_s, end_s, gap=gap, problem=document), None)
            return
        finally:
            segment.path.unlink(missing_ok=True)
        self._count("judged")
        window = self._window(verdict, start_s, end_s, gap)
        await self._append(await self._with_images(window, images), verdict.model)

    def _place(self, segment: Segment) -> tuple[float, float, str | None]:
        """Returns start, end and gap: right after the previous window, unless there is a gap."""
        start_s, gap = self._windows.summary.duration_s, self._gap or segment.gap
        if gap is not None:
            start_s = max(start_s, time.time() - self.started_at - segment.seconds)
        return round(start_s, 3), round(start_s + segment.seconds, 3), gap

    def _window(
        self, verdict: VideoVerdict, start_s: float, end_s: float, gap: str | None
    ) -> Window:
        previous, probability = self._windows.summary.smoothed, verdict.fake_probability
        smoothed = smooth(previous, probability, end_s - start_s, _TIME_CONSTANT_S)
        return Window(
            number=0,
            start_s=start_s,
            end_s=end_s,
            verdict=verdict.verdict,
            fake_probability=probability,
            smoothed=None if smoothed is None else round(smoothed, 6),
            frames_analyzed=verdict.frames_analyzed,
            frames_with_face=verdict.frames_with_face,
            shots=verdict.shots,
            gap=gap,
            warnings=verdict.warnings,
        )

    async def _append(self, window: Window, model: ModelRef | None) -> None:
        await self._windows.append(window, model)
        self._last_verdict = window.verdict
        self.report()

    async def _with_images(self, window: Window, images: dict[str, bytes]) -> Window:
        """Stores the images and renames the references to them, or removes the references."""
        keep = window.verdict in _WITH_IMAGES
        prefix = f"at-{round(1000 * window.start_s)}-"
        if keep:
            for name, image in images.items():
                await self._objects.put(f"jobs/{self._job.id}/gallery/{prefix}{name}", image)

        def rename(name: str | None) -> str | None:
            return f"{prefix}{name}" if keep and name else None

        shots = [shot.with_images(rename) for shot in window.shots]
        return dataclasses.replace(window, shots=shots)

    async def _detect(self, frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
        deadline = asyncio.get_running_loop().time() + self._settings.request_timeout_s
        context = RequestContext(self._job.id, deadline, self._job.traceparent)
        return await self._upstream.detect_frames(
            frames, self._job.options["model"], context, explain=self._options.explain
        )
