"""The handler of live jobs: follows a source and appends window after window."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.live import EndOfSource
from deepfake_serving.contracts.problems import QuotaExceeded, RefusedURL
from deepfake_serving.gateway.auth.usage import Quota, UsageMeter
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.live.windows import Windows, result_key
from deepfake_serving.gateway.queue.usage import Unit
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.sources.following import LOST, follow, open_source
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.worker.live_windows import WindowProcessor

_UNITS: tuple[Unit, ...] = ("bytes", "video_seconds")
"""The quotas that a source uses."""


class LiveJob:
    """A handler of jobs of the kind `live`."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        objects: Objects,
        fetcher: Fetcher | None,
        usage: UsageMeter,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """
        Args:
            usage: counts the bytes and the seconds of each segment that is analysed.
            count: called with `judged` or `problem` for each window.
        """
        self.settings, self.upstream = settings, upstream
        self.objects, self.fetcher = objects, fetcher
        self.usage, self.count = usage, count

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """Follows the source until it ends, is unreachable for too long, or reaches the time limit
        or its key's quota.

        A job that is cancelled or moves to another worker keeps its windows.

        Raises:
            Problem: no window of the source could be analysed, or its address is not allowed.
        """
        settings = self.settings
        if self.fetcher is None or not settings.source_enabled or job.source.url is None:
            raise RefusedURL("live sources are off: source_enabled is not set")
        quotas = Quota.model_validate(job.daily or {}).limits(_UNITS)
        windows = await Windows.open(self.objects, job.id)
        processor = WindowProcessor(
            settings, self.upstream, self.objects, job, windows, report, self.count
        )
        source = open_source(self.fetcher, job.source.url, workspace, settings.source_window_s)
        resumed = windows.summary.windows > 0
        segments = follow(source, settings.source_reconnect_timeout_s, resumed)
        remaining_s = processor.started_at + settings.source_max_duration_s - time.time()
        reason: EndOfSource = "source"
        warnings = []
        try:
            async with asyncio.timeout(max(0.0, remaining_s)) as limit, aclosing(segments):
                processor.report()
                async for segment in segments:
                    self.usage.check(job.owner, quotas)
                    before_s = windows.summary.duration_s
                    self.usage.add(job.owner, "bytes", segment.path.stat().st_size)
                    await processor.process(segment)
                    seconds = windows.summary.duration_s - before_s
                    self.usage.add(job.owner, "video_seconds", seconds)
        except TimeoutError:
            if not limit.expired():
                raise
            reason = "bound"
        except LOST as problem:
            if not windows.summary.windows:
                raise
            reason, warnings = "lost", [f"the source was lost: {problem.detail}"]
        except QuotaExceeded as problem:
            if not windows.summary.windows:
                raise
            reason, warnings = "quota", [problem.detail]
        await windows.end(reason, warnings)
        summary = windows.summary
        return Outcome(
            result_key(job.id),
            {"verdict": summary.verdict, "fake_probability": summary.fake_probability},
        )
