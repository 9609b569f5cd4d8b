"""What a worker does for a job of the kind `live`: a source followed, window after window kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from deepfake_serving.contracts.jobs import Job, Progress
from deepfake_serving.contracts.live import EndOfSource
from deepfake_serving.contracts.problems import RefusedURL
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.loop import Outcome
from deepfake_serving.gateway.live.windows import Windows, result_key
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.sources.following import LOST, follow, open_source
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.worker.live_windows import WindowProcessor


class LiveJob:
    """A handler of jobs."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        objects: Objects,
        fetcher: Fetcher | None,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`count` is told `judged` or `problem` for each window."""
        self.settings, self.upstream = settings, upstream
        self.objects, self.fetcher, self.count = objects, fetcher, count

    async def __call__(
        self, job: Job, workspace: Path, report: Callable[[Progress], None]
    ) -> Outcome:
        """Follows the source until it ends, is out of reach for too long, or for long enough; a job
        that is cancelled or taken over keeps the windows that there are.

        Raises:
            Problem: nothing of the source could ever be judged, or it leads where nobody may go.
        """
        if self.fetcher is None or not self.settings.source_enabled or job.source.url is None:
            raise RefusedURL("live sources are not followed here")
        windows = await Windows.open(self.objects, job.id)
        follower = WindowProcessor(
            self.settings, self.upstream, self.objects, job, windows, report, self.count
        )
        source = open_source(self.fetcher, job.source.url, workspace, self.settings.source_window_s)
        known = windows.summary.windows > 0
        pieces = follow(source, self.settings.source_reconnect_timeout_s, known)
        left_s = follower.begun + self.settings.source_max_duration_s - time.time()
        ended: EndOfSource = "source"
        warnings = []
        try:
            async with asyncio.timeout(max(0.0, left_s)) as bound, aclosing(pieces):
                follower.tell()
                async for piece in pieces:
                    await follower.judge(piece)
        except TimeoutError:
            if not bound.expired():
                raise
            ended = "bound"
        except LOST as problem:
            if not windows.summary.windows:
                raise
            ended, warnings = "lost", [f"the source was lost: {problem.detail}"]
        await windows.end(ended, warnings)
        summary = windows.summary
        words = {"verdict": summary.verdict, "fake_probability": summary.fake_probability}
        return Outcome(result_key(job.id), words)
