"""Usage that jobs add to that of their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from deepfake_serving.contracts.jobs import LIVE, VIDEO, Job, Source
from deepfake_serving.contracts.live import Window
from deepfake_serving.contracts.problems import QuotaExceeded, StorageFull
from deepfake_serving.gateway.auth.usage import UsageMeter
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.queue.usage import MemoryUsage
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.sources.segment import Segment
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.worker import live as live_module
from deepfake_serving.gateway.worker.live import LiveJob
from deepfake_serving.gateway.worker.live_windows import WindowProcessor
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.video import VideoJob
from tests.support.films import textures
from tests.support.videos import write_video
from tests.unit.gateway.jobs.parts_process import StubUpstream, settings
from tests.unit.gateway.jobs.test_parts import OPTIONS


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera without an end, whose windows of ten seconds are not analysed."""

    async def follow(*_: Any) -> AsyncIterator[Segment]:
        while True:
            path = tmp_path / "segment"
            path.write_bytes(b"x" * 1000)
            yield Segment(path, 10.0)

    async def process(self: WindowProcessor, segment: Segment) -> None:
        start_s = self._windows.summary.duration_s
        await self._windows.append(Window(0, start_s, start_s + segment.seconds), None)

    monkeypatch.setattr(live_module, "open_source", lambda *_: None)
    monkeypatch.setattr(live_module, "follow", follow)
    monkeypatch.setattr(WindowProcessor, "process", process)


def live_job(usage: UsageMeter, folder: Path) -> LiveJob:
    objects = Objects.open(f"file://{folder}/objects")
    upstream = cast(Upstream, StubUpstream(folder, "one", folder))
    return LiveJob(Settings(source_enabled=True), upstream, objects, cast(Fetcher, object()), usage)


def camera(daily: dict[str, float] | None) -> Job:
    source = Source("camera", url="rtsp://camera.example/1")
    return Job("a", LIVE, "running", source, OPTIONS, 0.0, owner="me", daily=daily)


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("daily", [{"video_seconds": 25.0}, {"bytes": 2500.0}])
async def test_a_live_source_ends_when_the_quota_of_its_key_is_used_up(
    daily: dict[str, float], tmp_path: Path
) -> None:
    usage = UsageMeter(MemoryUsage())
    handler = live_job(usage, tmp_path)
    outcome = await handler(camera(daily), tmp_path, lambda _: None)
    result = orjson.loads(await handler.objects.get(outcome.result))
    assert (result["windows"], result["ended"]) == (3, "quota")
    assert "quota" in result["warnings"][-1]
    assert usage.used("me", "video_seconds") == 30


@pytest.mark.usefixtures("endless")
async def test_a_live_source_without_a_window_fails_at_a_quota_that_is_used_up(
    tmp_path: Path,
) -> None:
    usage = UsageMeter(MemoryUsage())
    usage.add("me", "video_seconds", 60)
    with pytest.raises(QuotaExceeded):
        await live_job(usage, tmp_path)(camera({"video_seconds": 60.0}), tmp_path, lambda _: None)


async def test_a_video_whose_result_cannot_be_stored_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    upstream = cast(Upstream, StubUpstream(tmp_path, "one", tmp_path))
    handler = VideoJob(settings(), upstream, objects, JobMedia(objects, None, lambda *_: None))
    video = write_video(tmp_path / "film.mp4", textures([10])).read_bytes()
    await objects.put("jobs/a/media", video)
    job = Job("a", VIDEO, "running", Source("film", "jobs/a/media", digest="1"), OPTIONS, 0.0)

    async def full(*_: Any) -> None:
        raise StorageFull("full")

    with monkeypatch.context() as broken:
        broken.setattr(objects, "put", full)
        with pytest.raises(StorageFull):
            await handler(job, tmp_path, lambda _: None)
    assert (await handler(job, tmp_path, lambda _: None)).video_seconds > 0
