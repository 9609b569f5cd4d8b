"""A job whose video takes too much memory fails alone, at its first attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import cv2
import numpy as np
import pytest

from deepfake_serving.contracts.jobs import ENDED, Job, Source
from deepfake_serving.contracts.models import USUAL_THRESHOLDS, Thresholds
from deepfake_serving.gateway.jobs.loop import Worker
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.settings import load_settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.video import VideoJob
from model_handlers.pipeline.decode import Pixels
from tests.support.videos import pan, write_video

LIMIT = 64 * 2**20


class NoUpstream:
    """An upstream that no frame should reach."""

    def models(self) -> dict[str, Any]:
        return {}

    def thresholds(self, _: str) -> Thresholds:
        return USUAL_THRESHOLDS

    async def detect_frames(self, frames: object, *_: object) -> list[object]:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def headers(astronaut: Pixels, tmp_path: Path) -> Path:
    """A video whose headers ask for too much: 13.8 MB a frame, 16 references."""
    frames = [cv2.resize(frame, (1920, 1200)).astype(np.uint8) for frame in pan(astronaut, 2)]
    options = {"x264-params": "ref=16:bframes=0"}
    return write_video(
        tmp_path / "headers.mp4", frames, pix_fmt="yuv444p10le", codec_options=options
    )


@pytest.fixture
def stream(astronaut: Pixels, tmp_path: Path) -> Path:
    """A video that grows after its headers."""
    frames = [cv2.resize(frame, (3840, 2160)).astype(np.uint8) for frame in pan(astronaut, 4)]
    path = tmp_path / "stream.ts"
    small = write_video(tmp_path / "small.ts", pan(astronaut, 4)).read_bytes()
    path.write_bytes(small + write_video(tmp_path / "large.ts", frames).read_bytes())
    return path


@pytest.mark.parametrize("name", ["headers", "stream"])
async def test_it_fails_at_the_first_attempt(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    media: Path = request.getfixturevalue(name)
    objects = Objects.open(f"file://{tmp_path}/objects")
    settings = load_settings(max_decode_memory_bytes=LIMIT)
    handler = VideoJob(
        settings,
        cast(Upstream, NoUpstream()),
        objects,
        JobMedia(objects, None, AsyncMock()),
        AsyncMock(),
    )
    options = {"sampling": "every:1", "aggregation": "shots", "shots": True, "model": "detector"}
    async with open_store(f"sqlite:///{tmp_path}/db", max_queued=9, max_attempts=5) as store:
        await objects.put("jobs/a/media", await asyncio.to_thread(media.read_bytes))
        source = Source(media.name, "jobs/a/media", None, 1, "sha256:0")
        await store.submit(Job("a", "video", "queued", source, options, store.clock()))
        stop = asyncio.Event()
        running = asyncio.create_task(Worker(store, {"video": handler}, lease_s=30).run(stop))
        async with asyncio.timeout(120):
            while (job := await store.get("a")) is None or job.state not in ENDED:
                await asyncio.sleep(0.05)
        stop.set()
        await running
    assert (job.state, job.attempt) == ("failed", 1)
    assert job.problem is not None
    assert job.problem["title"] == "Undecodable media"
    assert "64 MiB" in job.problem["detail"]


async def test_a_cached_result_is_found_by_its_own_key_only(tmp_path: Path) -> None:
    """It would tell a key that another has submitted the same video."""
    objects = Objects.open(f"file://{tmp_path}/objects")

    def key(owner: str | None, *, shared: bool, people: str | None = None) -> str:
        settings = load_settings(shared_cache=shared)
        job = Job("a", "video", "queued", Source("a"), {"model": "detector"}, 0.0, owner=owner)
        handler = VideoJob(
            settings,
            cast(Upstream, NoUpstream()),
            objects,
            JobMedia(objects, None, AsyncMock()),
            AsyncMock(),
            embedder=None if people is None else Mock(digest=people),
        )
        return handler._cache_key(job, "sha256:0")

    assert key("a", shared=False) == key("a", shared=False) != key("b", shared=False)
    assert key("a", shared=True) == key("b", shared=True)
    assert key("a", shared=False) != key("a", shared=False, people="sha256:1")
