"""What a worker does for a job of the kind `live`: a source followed, window after window kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from contracts.jobs import Job, Progress
from contracts.live import EndOfSource
from contracts.problems import RefusedURL
from gateway.fetching import Fetcher
from gateway.jobs.worker import Outcome
from gateway.live_windows import Follower
from gateway.objects import Objects
from gateway.settings import Settings
from gateway.sources.following import LOST, follow, open_source
from gateway.upstream import Upstream
from gateway.windows import Windows, result_key


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
        if self.fetcher is None or not self.settings.fetch_streams or job.source.url is None:
            raise RefusedURL("live sources are not followed here")
        windows = await Windows.open(self.objects, job.id)
        follower = Follower(
            self.settings, self.upstream, self.objects, job, windows, report, self.count
        )
        source = open_source(self.fetcher, job.source.url, workspace, self.settings.stream_window_s)
        known = windows.summary.windows > 0
        pieces = follow(source, self.settings.stream_patience_s, known)
        left_s = follower.begun + self.settings.stream_job_max_s - time.time()
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
