"""Pieces of a live source → windows: judged like short videos, placed in time, appended."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.live import Window
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import Label, ModelRef
from deepfake_serving.contracts.video import Shot, VideoVerdict
from deepfake_serving.gateway.jobs.loop import FINAL
from deepfake_serving.gateway.live.frames import smoothed
from deepfake_serving.gateway.live.windows import Windows
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.sources.segment import Segment
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampling

_TIME_CONSTANT_S = 30.0
_SHOWN = ("suspicious", "fake")
"""Verdicts of windows whose pictures are kept: a day of them all would be many thousands."""


class WindowProcessor:
    """What happens to the pieces of one source, in order."""

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
        """`count` is told `judged` or `problem` for each window."""
        self._settings, self._upstream, self._objects = settings, upstream, objects
        self._job, self._windows, self._report, self._count = job, windows, report, count
        self._verdict: Label | None = None
        self.begun = job.started_at or time.time()
        self._options = VideoOptions(
            sampling=Sampling.parse(job.options["sampling"]),
            aggregation=job.options["aggregation"],
            shots=job.options["shots"],
            max_duration_s=settings.max_video_s,
            max_frames=settings.max_video_frames,
        )
        self._gap: str | None = None
        if windows.summary.windows:
            self._gap = "the job was given from one worker to another"

    def tell(self) -> None:
        """How far it is."""
        summary = self._windows.summary
        self._report(
            Progress(
                "follow",
                summary.frames_analyzed,
                windows=summary.windows,
                seconds=summary.duration_s,
                verdict=self._verdict,
            )
        )

    async def judge(self, piece: Segment) -> None:
        """Appends the piece's window.

        Raises:
            Problem: the first of all pieces is none that could ever be judged.
        """
        start_s, end_s, gap = self._place(piece)
        self._gap = None
        pictures: dict[str, bytes] = {}

        async def keep(name: str, picture: bytes) -> None:
            pictures[name] = picture

        try:
            verdict = await analyse(piece.path, self._detect, self._options, keep, lambda _: None)
        except Problem as problem:
            if not self._windows.summary.windows and isinstance(problem, FINAL):
                raise
            self._count("problem")
            document = problem.to_dict(self._job.id)
            await self._append(Window(0, start_s, end_s, gap=gap, problem=document), None)
            return
        finally:
            piece.path.unlink(missing_ok=True)
        self._count("judged")
        window = self._window(verdict, start_s, end_s, gap)
        await self._append(await self._pictured(window, pictures), verdict.model)

    def _place(self, piece: Segment) -> tuple[float, float, str | None]:
        """Where the piece lies: right after the one before, unless something is missing."""
        start_s, gap = self._windows.summary.duration_s, self._gap or piece.gap
        if gap is not None:
            start_s = max(start_s, time.time() - self.begun - piece.seconds)
        return round(start_s, 3), round(start_s + piece.seconds, 3), gap

    def _window(
        self, verdict: VideoVerdict, start_s: float, end_s: float, gap: str | None
    ) -> Window:
        before, probability = self._windows.summary.smoothed, verdict.fake_probability
        follows = smoothed(before, probability, end_s - start_s, _TIME_CONSTANT_S)
        return Window(
            number=0,
            start_s=start_s,
            end_s=end_s,
            verdict=verdict.verdict,
            fake_probability=probability,
            smoothed=None if follows is None else round(follows, 6),
            frames_analyzed=verdict.frames_analyzed,
            frames_with_face=verdict.frames_with_face,
            shots=verdict.shots,
            gap=gap,
            warnings=verdict.warnings,
        )

    async def _append(self, window: Window, model: ModelRef | None) -> None:
        await self._windows.append(window, model)
        self._verdict = window.verdict
        self.tell()

    async def _pictured(self, window: Window, pictures: dict[str, bytes]) -> Window:
        """With its pictures stored, or without any."""
        shown = window.verdict in _SHOWN
        prefix = f"at-{round(1000 * window.start_s)}-"
        if shown:
            for name, picture in pictures.items():
                await self._objects.put(f"jobs/{self._job.id}/gallery/{prefix}{name}", picture)

        def named(name: str | None) -> str | None:
            return f"{prefix}{name}" if shown and name else None

        return dataclasses.replace(window, shots=[_renamed(shot, named) for shot in window.shots])

    async def _detect(self, frames: Sequence[Pixels]) -> list[dict[str, Any] | Problem]:
        deadline = asyncio.get_running_loop().time() + self._settings.request_timeout_s
        asked = RequestContext(self._job.id, deadline, self._job.traceparent)
        return await self._upstream.detect_frames(frames, self._job.options["model"], asked)


def _renamed(shot: Shot, named: Callable[[str | None], str | None]) -> Shot:
    tracks = [
        dataclasses.replace(
            track, keyframe=named(track.keyframe), median_frame=named(track.median_frame)
        )
        for track in shot.tracks
    ]
    return dataclasses.replace(shot, strip=named(shot.strip), tracks=tracks)
