"""A process that tests kill: it submits jobs, or runs them.

Files in the folder control the jobs: each attempt appends a line to `attempts`, and finishes once
the file `go` exists. Its result is an object, like that of a video.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import uuid
from pathlib import Path

from deepfake_serving.contracts.jobs import Job, Progress, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.jobs.loop import Outcome, Report, Worker
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.storage.objects import Objects

LEASE_S = 2.0
MAX_ATTEMPTS = 5


class Work:
    """A handler."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, Objects.open(f"file://{folder}/objects")

    async def __call__(self, job: Job, _: Path, report: Report) -> Outcome:
        append_line(self.folder / "attempts", f"{job.id} {job.attempt} {os.getpid()}")
        report(Progress("analyse", job.attempt))
        while not (self.folder / "go").exists():
            await asyncio.sleep(0.02)
        result = f"jobs/{job.id}/result.json"
        await self.objects.put(result, str(os.getpid()).encode())
        return Outcome(result, {"attempt": job.attempt})


def append_line(path: Path, line: str) -> None:
    """Appends a line in one write, since several processes share the file."""
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def submit_jobs(url: str, folder: Path, count: int, pause_s: float = 0.0) -> None:
    """Runs in a process of its own."""
    asyncio.run(_submit(url, folder, count, pause_s))


def run_jobs(url: str, folder: Path, lease_s: float = LEASE_S) -> None:
    """Runs in a process of its own."""
    asyncio.run(_run(url, folder, lease_s))


async def _submit(url: str, folder: Path, count: int, pause_s: float) -> None:
    """Tries to submit jobs, appends the accepted ones to `accepted`, then waits to be killed."""
    async with open_store(url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as store:
        for _ in range(count):
            job = Job(uuid.uuid4().hex, "video", "queued", Source("a"), {}, time.time())
            with contextlib.suppress(UpstreamUnavailable):  # not accepted
                await store.submit(job)
                append_line(folder / "accepted", job.id)
            await asyncio.sleep(pause_s)
        await asyncio.Event().wait()


async def _run(url: str, folder: Path, lease_s: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_store(url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as store:
        worker = Worker(store, {"video": Work(folder)}, lease_s=lease_s, drain_s=0.2)
        await worker.run(stop)
