"""Processes killed with SIGKILL at any time: no accepted job is lost, none ends twice."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from deepfake_serving.contracts.jobs import ENDED, Job, Source
from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.queue.backend import Query
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.storage.objects import Objects
from tests.unit.gateway.jobs import job_process
from tests.unit.gateway.jobs.job_process import MAX_ATTEMPTS, run_jobs, submit_jobs

TIMEOUT_S = 240


class Processes:
    """Submitters and workers on one store, with their files in a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.started: list[BaseProcess] = []
        # Its processes are forked from one that has imported the modules.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([job_process.__name__])

    def start(self, target: Callable[..., None], *more: float) -> BaseProcess:
        process = self._context.Process(target=target, args=(self.url, self.folder, *more))
        process.start()
        self.started.append(process)
        return process

    def kill(self, process: BaseProcess) -> None:
        process.kill()
        process.join()

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    async def wait_for_lines(self, name: str, count: int) -> list[str]:
        async with asyncio.timeout(TIMEOUT_S):
            while len(lines := self.lines(name)) < count:
                await asyncio.sleep(0.02)
        return lines


@pytest.fixture
def processes(store_url: str, tmp_path: Path) -> Iterator[Processes]:
    running = Processes(store_url, tmp_path)
    yield running
    for process in running.started:
        running.kill(process)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    async with open_store(store_url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as opened:
        yield opened


async def submitted(store: JobStore, job_id: str = "a") -> None:
    await store.submit(Job(job_id, "video", "queued", Source("a"), {}, store.clock()))


async def ended(store: JobStore, job_id: str = "a") -> Job:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            job = await store.get(job_id)
            if job is not None and job.state in ENDED:
                return job
            await asyncio.sleep(0.05)


async def all_succeeded(store: JobStore, ids: set[str]) -> dict[str, Job]:
    """Waits until all jobs succeeded, and asserts that ended jobs never change."""
    seen: dict[str, Job] = {}
    end = time.monotonic() + TIMEOUT_S
    while not ids <= seen.keys():
        assert time.monotonic() < end, f"{len(ids - seen.keys())} of {len(ids)} jobs have not ended"
        with contextlib.suppress(Problem):
            page, _ = await store.list(limit=10_000)
            for job in page:
                if job.id in seen or job.state in ENDED:
                    assert seen.setdefault(job.id, job) == job, "it ended before"
        await asyncio.sleep(0.05)
    assert {job.state for job in seen.values()} == {"succeeded"}
    return seen


async def test_another_worker_runs_the_job_of_a_killed_one(
    processes: Processes, store: JobStore
) -> None:
    await submitted(store)
    killed = processes.start(run_jobs)
    await processes.wait_for_lines("attempts", 1)
    processes.kill(killed)
    other = processes.start(run_jobs)
    await processes.wait_for_lines("attempts", 2)
    (processes.folder / "go").touch()
    done = await ended(store)
    assert (done.state, done.attempt) == ("succeeded", 2)
    assert processes.lines("attempts") == [f"a 1 {killed.pid}", f"a 2 {other.pid}"]
    result = await Objects.open(f"file://{processes.folder}/objects").get(str(done.result))
    assert result == str(other.pid).encode()


async def test_a_job_that_kills_every_worker_is_dead_with_a_reason(
    processes: Processes, store: JobStore
) -> None:
    await submitted(store)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        worker = processes.start(run_jobs)
        await processes.wait_for_lines("attempts", attempt)
        processes.kill(worker)
    processes.start(run_jobs)
    dead = await ended(store)
    assert (dead.state, dead.attempt, dead.result) == ("dead", MAX_ATTEMPTS, None)
    assert dead.problem is not None
    assert dead.problem["detail"] == f"the worker was lost {MAX_ATTEMPTS} times"
    assert len(processes.lines("attempts")) == MAX_ATTEMPTS


async def test_the_accepted_jobs_of_a_killed_submitter_are_stored(
    processes: Processes, store: JobStore
) -> None:
    submitter = processes.start(submit_jobs, 10_000)
    await processes.wait_for_lines("accepted", 20)
    processes.kill(submitter)
    accepted = set(processes.lines("accepted"))
    kept = {job.id for job in (await store.list(Query(state="queued"), limit=10_000))[0]}
    assert accepted <= kept
    assert len(kept - accepted) <= 1, "at most one was stored but not yet recorded"


async def test_a_terminated_worker_releases_its_job(processes: Processes, store: JobStore) -> None:
    await submitted(store)
    first = processes.start(run_jobs)
    await processes.wait_for_lines("attempts", 1)
    first.terminate()
    first.join(TIMEOUT_S)
    assert first.exitcode == 0
    released = await store.get("a")
    assert released is not None
    assert (released.state, released.attempt) == ("queued", 0)
    (processes.folder / "go").touch()
    processes.start(run_jobs)
    assert ((await ended(store)).attempt) == 1


async def test_two_racing_workers_run_each_job_once(processes: Processes, store: JobStore) -> None:
    ids = {f"job{n}" for n in range(200)}
    for job_id in ids:
        await submitted(store, job_id)
    workers = {processes.start(run_jobs, 60).pid for _ in range(2)}  # no lease expires
    await processes.wait_for_lines("attempts", 2)
    (processes.folder / "go").touch()
    await all_succeeded(store, ids)
    attempts = [line.split() for line in processes.lines("attempts")]
    assert collections.Counter(job_id for job_id, _, _ in attempts) == dict.fromkeys(ids, 1)
    assert {int(pid) for _, _, pid in attempts} == workers, "both ran jobs"


async def test_repeatedly_killed_workers_lose_no_job_and_end_none_twice(
    processes: Processes, store: JobStore
) -> None:
    """Jobs finish at once, so workers die at all stages: between claim and result, and between
    result and end."""
    ids = {f"job{n}" for n in range(60)}
    (processes.folder / "go").touch()
    for job_id in ids:
        await submitted(store, job_id)
    watching = asyncio.create_task(all_succeeded(store, ids))
    for kill in range(1, 5):
        worker = processes.start(run_jobs)
        await processes.wait_for_lines("attempts", 10 * kill)
        processes.kill(worker)
    processes.start(run_jobs)
    done = await watching
    assert max(job.attempt for job in done.values()) <= MAX_ATTEMPTS


async def test_killing_and_restarting_redis_loses_no_accepted_job(
    redis_server: Any, tmp_path: Path
) -> None:
    """During submissions, claims, heartbeats and ends. Each process recovers by itself."""
    processes = Processes(redis_server.url, tmp_path)
    try:
        async with open_store(redis_server.url, max_queued=10_000, max_attempts=5) as store:
            await submitted(store, "long")
            processes.start(run_jobs)
            await processes.wait_for_lines("attempts", 1)
            processes.start(submit_jobs, 1000)
            for kill in range(1, 4):
                await processes.wait_for_lines("accepted", 30 * kill)
                redis_server.kill()
                await asyncio.to_thread(redis_server.start)
            for process in processes.started:
                assert process.is_alive(), "it outlived the restarts"
            processes.kill(processes.started[-1])
            (tmp_path / "go").touch()
            accepted = set(processes.lines("accepted"))
            assert len(accepted) >= 90
            processes.start(run_jobs)
            await all_succeeded(store, accepted | {"long"})
    finally:
        for process in processes.started:
            processes.kill(process)
