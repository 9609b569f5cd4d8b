"""The files of videos that a worker keeps for their parts."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import PART, Job, Source
from deepfake_serving.contracts.problems import NotFound
from deepfake_serving.gateway.queue.records import Claim
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.worker.part_media import PartMedia

TIMEOUT_S = 300


class Videos:
    """Videos whose jobs run, and their parts."""

    def __init__(self, store: JobStore, folder: Path) -> None:
        self.store, self.objects = store, Objects.open(f"file://{folder}/objects")
        self.media = PartMedia(store, self.objects)

    async def begin(self, letter: str) -> Claim:
        """Submits and claims the job of a video."""
        source = Source("film.mp4", f"jobs/{letter}/media")
        await self.objects.put(str(source.object), letter.encode())
        await self.store.submit(Job(letter, "video", "queued", source, {}, self.store.clock()))
        claim = await self.store.claim(TIMEOUT_S, "jobs")
        assert claim is not None
        return claim

    def part(self, claim: Claim, number: int) -> Job:
        job = claim.job
        options = {"job": job.id, "attempt": job.attempt, "part": number}
        return Job(f"{job.id}-{number}", PART, "running", job.source, options, 0.0)

    def folders(self) -> list[Path]:
        """Returns the folders of files that are kept."""
        return list(Path(tempfile.gettempdir()).iterdir())

    async def path_of_part(self, claim: Claim, number: int) -> Path:
        """Returns the path that a part was given, which no part uses afterwards."""
        async with self.media.file(self.part(claim, number)) as path:
            assert path.read_text() == claim.job.id
            return path


@pytest.fixture
async def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Videos]:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    async with open_store(f"sqlite:///{tmp_path}/jobs.db", max_queued=10, max_attempts=5) as store:
        videos = Videos(store, tmp_path)
        with contextlib.closing(videos.media):
            yield videos


async def gone(path: Path) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while path.parent.exists():
            await asyncio.sleep(0.05)


async def test_a_video_is_downloaded_once_for_all_parts(videos: Videos) -> None:
    claim = await videos.begin("a")
    first = await videos.path_of_part(claim, 1)
    await videos.objects.delete("jobs/a/media")
    async with (
        videos.media.file(videos.part(claim, 2)) as second,
        videos.media.file(videos.part(claim, 3)) as third,
    ):
        assert first == second == third
        assert second.read_text() == "a"


async def test_the_file_is_deleted_when_the_job_ends(videos: Videos) -> None:
    claim = await videos.begin("a")
    path = await videos.path_of_part(claim, 1)
    assert path.exists()
    await videos.store.finish(claim, "result", {})
    await gone(path)


async def test_one_unused_file_is_kept_at_most(videos: Videos) -> None:
    first, second = await videos.begin("a"), await videos.begin("b")
    async with videos.media.file(videos.part(first, 1)) as path:
        other = await videos.path_of_part(second, 1)
        assert path.exists()
        assert other.exists()
    assert path.exists()
    assert not other.exists()
    await videos.path_of_part(await videos.begin("c"), 1)
    assert not path.exists()


async def test_a_part_that_nobody_waits_for_downloads_nothing(videos: Videos) -> None:
    claim = await videos.begin("a")
    part = videos.part(claim, 1)
    await videos.store.finish(claim, "result", {})
    with pytest.raises(NotFound):
        async with videos.media.file(part):
            raise AssertionError
    assert videos.folders() == []


async def test_a_failed_download_is_tried_again(videos: Videos) -> None:
    claim = await videos.begin("a")
    await videos.objects.delete("jobs/a/media")
    with pytest.raises(NotFound):
        await videos.path_of_part(claim, 1)
    assert videos.folders() == []
    await videos.objects.put("jobs/a/media", b"a")
    await videos.path_of_part(claim, 1)
