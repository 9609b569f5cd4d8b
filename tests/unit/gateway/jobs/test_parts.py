"""A long video shared by workers, of which some are killed: the result of one worker."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.contracts.jobs import ENDED, Job, Source
from deepfake_serving.contracts.models import USUAL_THRESHOLDS
from deepfake_serving.contracts.problems import StorageFull
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.gateway.jobs.document import link_result
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.worker.division import Division
from deepfake_serving.gateway.worker.options import video_options
from deepfake_serving.gateway.worker.video import VideoJob
from deepfake_serving.runtime.serialization import from_json
from deepfake_serving.video.analyse import analyse
from deepfake_serving.video.parts.result import PartResult
from tests.support.films import LENGTHS, detect, textures
from tests.support.videos import write_video
from tests.unit.gateway.jobs import parts_process
from tests.unit.gateway.jobs.parts_process import PARTS, new_worker, run_worker, settings

TIMEOUT_S = 300
OPTIONS: dict[str, Any] = {
    "sampling": "every:5",
    "aggregation": "shots",
    "shots": True,
    "model": "detector",
}


class Film:
    """A stored video, its store and its workers."""

    def __init__(self, url: str, folder: Path, store: JobStore) -> None:
        self.url, self.folder, self.store = url, folder, store
        self.objects = Objects.open(f"file://{folder}/objects")
        self.path = write_video(folder / "film.mp4", textures(LENGTHS))
        self.job = Job(
            "f" * 32,
            "video",
            "queued",
            Source("film.mp4", f"jobs/{'f' * 32}/media", digest="sha256:1"),
            OPTIONS,
            store.clock(),
            owner="key",
        )
        self.processes: list[BaseProcess] = []

    async def submit(self) -> None:
        await self.objects.put(str(self.job.source.object), self.path.read_bytes())
        await self.store.submit(self.job)

    def start(self, name: str) -> BaseProcess:
        """Starts a worker in a process of its own."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([parts_process.__name__])
        process = context.Process(target=run_worker, args=(self.url, self.folder, name))
        process.start()
        self.processes.append(process)
        return process

    @asynccontextmanager
    async def first_worker(self) -> AsyncIterator[None]:
        """Runs the worker that claims the video, in this process."""
        stop = asyncio.Event()
        with new_worker(self.store, self.folder, "first") as worker:
            running = asyncio.create_task(worker.run(stop))
            try:
                await self.state({"running"})
                yield
            finally:
                stop.set()
                await running

    async def state(self, states: set[str]) -> Job:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                job = await self.store.get(self.job.id)
                if job is not None and job.state in states:
                    return job
                await asyncio.sleep(0.05)

    async def leased(self) -> bool:
        record = await self.store.backend.get(self.job.id)
        assert record is not None
        return record.due_at is not None and record.due_at > self.store.clock()

    async def analysed_by(self, *names: str) -> None:
        """Waits until these workers have begun a part each."""
        async with asyncio.timeout(TIMEOUT_S):
            while not set(names) <= {line.split()[1] for line in self.lines("parts")}:
                await asyncio.sleep(0.05)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    async def assert_result_of_one(self, attempt: int = 1) -> None:
        """Asserts that the result is that of one pass over the video, and nothing is left."""
        images: dict[str, bytes] = {}

        async def save(name: str, data: bytes) -> None:
            images[name] = data

        options = video_options(self.job, settings(), USUAL_THRESHOLDS)
        expected = await analyse(self.path, detect, options, save, lambda _: None)
        expected = link_result(dataclasses.replace(expected, id=self.job.id), self.job.id)
        job = await self.state(set(ENDED))
        assert (job.state, job.attempt, job.progress.percent) == ("succeeded", attempt, 100.0)
        found = from_json(VideoVerdict, await self.objects.get(str(job.result)))
        assert dataclasses.replace(found, timings_ms={}) == dataclasses.replace(
            expected, timings_ms={}
        )
        prefix = f"jobs/{job.id}"
        stored = {key for key, _, _ in await self.objects.list(prefix)}
        gallery = {f"{prefix}/gallery/{name}" for name in images}
        assert stored == gallery | {f"{prefix}/media", f"{prefix}/result.json"}
        for name, data in images.items():
            assert await self.objects.get(f"{prefix}/gallery/{name}") == data
        assert await self.store.backend.parts(job.id) == []
        async with asyncio.timeout(TIMEOUT_S):
            while not self.lines("usage"):  # counted after the job's end
                await asyncio.sleep(0.05)
        assert len(self.lines("usage")) == 1


@pytest.fixture
async def film(store_url: str, tmp_path: Path) -> AsyncIterator[Film]:
    async with open_store(store_url, max_queued=10, max_attempts=5) as store:
        film = Film(store_url, tmp_path, store)
        await film.submit()
        yield film
        for process in film.processes:
            process.kill()
            process.join()


def test_a_length_of_0_divides_nothing() -> None:
    job = Job("a", "video", "queued", Source("a"), OPTIONS, 0.0)
    given = [Settings(), Settings(video_part_s=0)]
    found = [video_options(job, each, USUAL_THRESHOLDS).part_s for each in given]
    assert found == [300.0, None]


@pytest.mark.slow
async def test_one_worker_reads_the_video_once(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    analyse_part = VideoJob.analyse_part

    async def recorded(handler: VideoJob, *arguments: Any) -> PartResult:
        read.append(arguments[2].number)
        return await analyse_part(handler, *arguments)

    monkeypatch.setattr(VideoJob, "analyse_part", recorded)
    (film.folder / "ready").touch()
    async with film.first_worker():
        await film.assert_result_of_one()
    assert read == [0]
    assert film.lines("parts") == []


@pytest.mark.slow
async def test_a_worker_analyses_parts_that_a_full_store_refuses(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stub refuses them, since the store must accept all else."""

    async def refuse(_: Job) -> None:
        raise StorageFull("the job store is full")

    monkeypatch.setattr(film.store, "submit_part", refuse)
    (film.folder / "ready").touch()
    async with film.first_worker():
        await film.assert_result_of_one()


@pytest.mark.slow
async def test_workers_share_a_video(film: Film) -> None:
    for name in ("second", "third"):
        (film.folder / f"go-{name}").touch()
    async with film.first_worker():
        film.start("second")
        film.start("third")
        await film.analysed_by("second", "third")
        (film.folder / "ready").touch()
        await film.assert_result_of_one()


async def test_a_part_of_a_killed_worker_is_analysed_again(film: Film) -> None:
    (film.folder / "go-third").touch()
    async with film.first_worker():
        killed = film.start("second")
        await film.analysed_by("second")
        killed.kill()
        film.start("third")
        await film.analysed_by("third")
        (film.folder / "ready").touch()
        await film.assert_result_of_one()


@pytest.mark.slow
async def test_the_next_attempt_replaces_the_parts_of_a_killed_worker(film: Film) -> None:
    first = film.start("second")
    await film.state({"running"})
    film.start("third")
    await film.analysed_by("third")
    first.kill()
    for name in ("ready", "go-first", "go-third"):
        (film.folder / name).touch()
    async with film.first_worker():
        await film.assert_result_of_one(attempt=2)


async def results(film: Film, prefix: str) -> list[str]:
    stored = await film.objects.list(prefix)
    return [key for key, _, _ in stored if key.endswith("/result.json")]


@pytest.mark.slow
async def test_a_worker_that_lost_the_video_leaves_the_next_attempt_alone(
    film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[str] = []
    read = Division._read

    async def recorded(division: Division, part: Job) -> PartResult | None:
        result = await read(division, part)
        collected.append(part.id)
        return result

    monkeypatch.setattr(Division, "_read", recorded)
    lost = film.start("second")
    async with asyncio.timeout(TIMEOUT_S):
        while len(await film.store.backend.parts(film.job.id)) < PARTS - 1:
            await asyncio.sleep(0.05)
    os.kill(int(lost.pid or 0), signal.SIGSTOP)
    async with asyncio.timeout(TIMEOUT_S):
        while await film.leased():
            await asyncio.sleep(0.05)
    async with film.first_worker(), asyncio.timeout(TIMEOUT_S):
        while (await film.state({"running"})).attempt < 2:
            await asyncio.sleep(0.05)
        film.start("fourth")
        await film.analysed_by("fourth")
        (film.folder / "go-third").touch()
        film.start("third")
        prefix = f"jobs/{film.job.id}/parts"
        while len(await results(film, f"{prefix}/2")) < PARTS - 2:
            await asyncio.sleep(0.05)
        (film.folder / "ready").touch()
        while len(collected) < PARTS - 2:
            await asyncio.sleep(0.05)
        await film.objects.put(f"{prefix}/1/0/result.json", b"of the first attempt")
        os.kill(int(lost.pid or 0), signal.SIGCONT)
        while await results(film, f"{prefix}/1"):
            await asyncio.sleep(0.05)
        (film.folder / "go-fourth").touch()
        await film.assert_result_of_one(attempt=2)


async def test_cancelling_ends_the_parts(film: Film) -> None:
    async with film.first_worker():
        film.start("second")
        await film.analysed_by("second")
        assert len(await film.store.backend.parts(film.job.id)) == PARTS - 1
        await film.store.cancel(film.job.id)
        await film.state({"cancelled"})
        assert await film.store.backend.parts(film.job.id) == []
        (film.folder / "go-second").touch()  # it may analyse the next video
        prefix = f"jobs/{film.job.id}/parts"
        await film.objects.delete_all(prefix)
