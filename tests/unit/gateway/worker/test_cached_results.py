"""Results of videos that are reused, and some that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.worker.media import JobMedia
from deepfake_serving.gateway.worker.video import VideoJob
from tests.support.films import textures
from tests.support.videos import write_video
from tests.unit.gateway.jobs.parts_process import StubUpstream, settings
from tests.unit.gateway.jobs.test_parts import OPTIONS


@pytest.mark.parametrize(
    ("stored", "cached"),
    [(None, True), (b'{"verdict": "real"}', False), (b"{", False)],
    ids=["as it was", "of another version", "damaged"],
)
async def test_a_result_that_cannot_be_read_is_not_reused(
    stored: bytes | None, cached: bool, tmp_path: Path
) -> None:
    objects = Objects.open(f"file://{tmp_path}/objects")
    upstream = cast(Upstream, StubUpstream(tmp_path, "one", tmp_path))
    media = JobMedia(objects, None, lambda *_: None)
    handler = VideoJob(settings(), upstream, objects, media)
    video = write_video(tmp_path / "film.mp4", textures([10])).read_bytes()
    outcomes = []
    for name in ("first", "second"):
        source = Source("film.mp4", f"jobs/{name}/media", digest="sha256:1")
        await objects.put(str(source.object), video)
        workspace = tmp_path / name
        workspace.mkdir()
        job = Job(name, "video", "running", source, OPTIONS, 0.0)
        outcomes.append(await handler(job, workspace, lambda _: None))
        if stored is not None:
            await objects.put("jobs/first/result.json", stored)
    assert [outcome.cached for outcome in outcomes] == [False, cached]
