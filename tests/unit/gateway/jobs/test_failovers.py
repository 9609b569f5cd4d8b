"""Primaries of Redis killed with SIGKILL under load: no accepted job is lost, none ends twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deepfake_serving.gateway.queue.store import open_store
from tests.support.redis_replicas import Cluster, Sentinels, wait_until
from tests.unit.gateway.jobs.job_process import MAX_ATTEMPTS, run_jobs, submit_jobs
from tests.unit.gateway.jobs.test_kills import Processes, all_succeeded, submitted

pytestmark = pytest.mark.slow
KILLS, JOBS = 2, 40
PAUSE_S = 0.02
SUBMITTED = 1500  # at most, however long a failover takes: all must be run within the time limit


@pytest.fixture(params=["cluster", "sentinels"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster | Sentinels]:
    started: Cluster | Sentinels
    if request.param == "cluster":
        started = Cluster(tmp_path, primaries=3, replicas=1)
    else:
        started = Sentinels(tmp_path, replicas=2, sentinels=3)
    yield started
    started.close()


async def test_killed_primaries_lose_no_accepted_job(
    servers: Cluster | Sentinels, tmp_path: Path
) -> None:
    """During submissions, claims, heartbeats and ends. Each process recovers by itself."""
    processes = Processes(servers.url, tmp_path)
    try:
        async with open_store(servers.url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as store:
            await submitted(store, "long")
            processes.start(run_jobs)
            await processes.wait_for_lines("attempts", 1)
            submitter = processes.start(submit_jobs, SUBMITTED, PAUSE_S)
            for kill in range(1, KILLS + 1):
                await processes.wait_for_lines("accepted", JOBS * kill)
                old = servers.primary()
                old.kill()
                await asyncio.to_thread(wait_until, partial(has_other, servers, old), "a failover")
                await asyncio.to_thread(old.start)
            await processes.wait_for_lines("accepted", JOBS * (KILLS + 1))
            for process in processes.started:
                assert process.is_alive(), "it outlived the failovers"
            processes.kill(submitter)
            (tmp_path / "go").touch()
            processes.start(run_jobs)
            await all_succeeded(store, set(processes.lines("accepted")) | {"long"})
    finally:
        for process in processes.started:
            processes.kill(process)


def has_other(servers: Cluster | Sentinels, old: object) -> bool:
    """Returns whether another server is the primary now."""
    try:
        return servers.primary() is not old
    except AssertionError:  # none is yet
        return False
