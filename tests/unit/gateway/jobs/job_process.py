"""A process to be killed: submits jobs, or works on them, as its arguments say.

    python job_process.py submit <store> <folder> <count>
    python job_process.py work <store> <folder>

The work on a job is scripted by files in the folder: each attempt is noted in `attempts`, and goes
on once there is a file `go`. Its result is an object, as a video's is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import uuid
from pathlib import Path

from deepfake_serving.contracts.jobs import Job, Progress, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.jobs.loop import Outcome, Report, Worker
from deepfake_serving.gateway.jobs.store import open_store
from deepfake_serving.gateway.storage.objects import Objects

LEASE_S = 2.0
MAX_ATTEMPTS = 5


class Work:
    """A handler."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, Objects.open(f"file://{folder}/objects")

    async def __call__(self, job: Job, _: Path, report: Report) -> Outcome:
        note(self.folder / "attempts", f"{job.id} {job.attempt} {os.getpid()}")
        report(Progress("analyse", job.attempt))
        while not (self.folder / "go").exists():
            await asyncio.sleep(0.02)
        result = f"jobs/{job.id}/result.json"
        await self.objects.put(result, str(os.getpid()).encode())
        return Outcome(result, {"attempt": job.attempt})


def note(path: Path, line: str) -> None:
    """Several processes write to one file: a line is one write."""
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


async def submit(url: str, folder: Path, count: int) -> None:
    """Notes each job once it is accepted; then waits to be killed."""
    async with open_store(url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as store:
        for _ in range(count):
            job = Job(uuid.uuid4().hex, "video", "queued", Source("a"), {}, time.time())
            with contextlib.suppress(UpstreamUnavailable):  # not accepted, then
                await store.submit(job)
                note(folder / "accepted", job.id)
        await asyncio.Event().wait()


async def work(url: str, folder: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_store(url, max_queued=10_000, max_attempts=MAX_ATTEMPTS) as store:
        worker = Worker(store, {"video": Work(folder)}, lease_s=LEASE_S, drain_s=0.2)
        await worker.run(stop)


if __name__ == "__main__":
    _, verb, url, folder, *count = sys.argv
    if verb == "submit":
        asyncio.run(submit(url, Path(folder), int(count[0])))
    else:
        asyncio.run(work(url, Path(folder)))
