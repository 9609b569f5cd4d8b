"""Workers that share one long video, with a stub in place of the model servers.

The stub's scores show how frames were batched. Lines of the file `parts` name the parts of others
as they are analysed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

from deepfake_serving.contracts.jobs import PART, VIDEO
from deepfake_serving.contracts.models import USUAL_THRESHOLDS, Thresholds
from deepfake_serving.gateway.jobs.loop import Worker
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.part import PartJob
from deepfake_serving.gateway.worker.part_media import PartMedia
from deepfake_serving.gateway.worker.video import VideoJob
from deepfake_serving.video.scored_frames import DetectionResult
from model_handlers.pipeline.decode import Pixels
from tests.support.films import SECONDS, detect
from tests.unit.gateway.jobs.job_process import append_line

LEASE_S = 2.0
PARTS = 4


class StubUpstream:
    """Holds the frames of a video until `ready` is true, but for the first; those of parts of
    others until the file `go` exists."""

    def __init__(self, folder: Path, name: str, ready: Path) -> None:
        self.folder, self.name, self.ready = folder, name, ready
        self._calls = 0

    def models(self) -> dict[str, dict[str, Any]]:
        return {}

    def thresholds(self, _: str) -> Thresholds:
        return USUAL_THRESHOLDS

    async def detect_frames(
        self, frames: Sequence[Pixels], _: str, context: RequestContext, *, explain: bool
    ) -> list[DetectionResult]:
        assert not explain
        if "-" in context.id:
            append_line(self.folder / "parts", f"{context.id} {self.name}")
            await _exists(self.folder / f"go-{self.name}")
        elif self._calls:
            await _exists(self.ready)
        self._calls += 1
        return await detect(list(frames))


async def _exists(path: Path) -> None:
    while not await asyncio.to_thread(path.exists):
        await asyncio.sleep(0.02)


def settings() -> Settings:
    return Settings(video_part_s=SECONDS / PARTS)


@contextmanager
def new_worker(store: JobStore, folder: Path, name: str) -> Iterator[Worker]:
    """Creates a worker; `name` is in the lines that its stub writes."""
    objects = Objects.open(f"file://{folder}/objects")
    upstream = cast(Upstream, StubUpstream(folder, name, folder / "ready"))

    def count_usage(owner: str | None, unit: str, amount: float) -> None:
        if amount:
            append_line(folder / "usage", f"{owner} {unit} {amount:.3f}")

    media = JobMedia(objects, None, count_usage)
    video = VideoJob(settings(), upstream, objects, media, store=store)
    with closing(PartMedia(store, objects)) as part_media:
        handlers = {VIDEO: video, PART: PartJob(objects, part_media, video.analyse_part)}
        yield Worker(store, handlers, lease_s=LEASE_S, drain_s=0.2, count_usage=count_usage)


def run_worker(url: str, folder: Path, name: str) -> None:
    """Runs in a process of its own, until it is killed."""
    asyncio.run(_run(url, folder, name))


async def _run(url: str, folder: Path, name: str) -> None:
    async with open_store(url, max_queued=10, max_attempts=5) as store:
        with new_worker(store, folder, name) as worker:
            await worker.run(asyncio.Event())
