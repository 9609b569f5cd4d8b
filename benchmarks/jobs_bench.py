"""Job queue under load: 1,000 queued jobs and 200 watchers.

    python -m benchmarks.jobs_bench [--jobs 1000] [--watchers 200] [--redis redis://…]

Nothing is asserted. Without `--redis`, a Redis with `appendfsync always` is started. Watchers and
workers use separate stores, like a gateway and a worker. Each watcher watches another job.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from deepfake_serving.contracts.jobs import ENDED, Job, Progress, Source
from deepfake_serving.gateway.queue.store import JobStore, open_store

_LEASE_S = 15.0
_IDLE_S = 10.0
_STEPS = "claim", "renew", "finish"


def job(n: int) -> Job:
    options = {"sampling": "every:5", "shots": True, "aggregation": "shots", "model": "detector"}
    source = Source(f"video-{n}.mp4", f"jobs/{n}/media", None, 10**7, "sha256:" + "0" * 64)
    return Job(f"job{n:06}", "video", "queued", source, options, time.time(), owner="bench")


async def submit(store: JobStore, count: int) -> list[float]:
    """Submits jobs, eight at a time. Returns the seconds of each."""
    numbers = iter(range(count))
    return await _timed(8, numbers, lambda n: store.submit(job(n)))


async def work(
    store: JobStore, count: int, finished_at: dict[str, float]
) -> tuple[list[float], ...]:
    """Claims, renews and finishes every job, two at a time; records when each was finished."""
    claims, heartbeats, finishes = list[float](), list[float](), list[float]()

    async def one(_: int) -> None:
        began = time.perf_counter()
        claim = await store.claim(_LEASE_S)
        assert claim is not None
        claimed = time.perf_counter()
        await store.heartbeat(claim, Progress("analyse", 5, 50.0, 1.0), _LEASE_S)
        renewed = time.perf_counter()
        await store.finish(claim, f"jobs/{claim.job.id}/result.json", {"verdict": "real"})
        finished_at[claim.job.id] = time.perf_counter()
        claims.append(claimed - began)
        heartbeats.append(renewed - claimed)
        finishes.append(finished_at[claim.job.id] - renewed)

    await _timed(2, iter(range(count)), one)
    return claims, heartbeats, finishes


async def watch(store: JobStore, job_id: str, seen_at: dict[str, float]) -> None:
    """Waits for changes like an event stream, until the job has ended."""
    job = await store.get(job_id)
    assert job is not None
    while job.state not in ENDED:
        job = await store.changed(job, timeout_s=10) or job
    seen_at[job_id] = time.perf_counter()


async def _timed(
    at_once: int, numbers: Iterator[int], call: Callable[[int], Awaitable[object]]
) -> list[float]:
    durations: list[float] = []

    async def run() -> None:
        for n in numbers:
            began = time.perf_counter()
            await call(n)
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(run() for _ in range(at_once)))
    return durations


async def bench(url: str, count: int, watchers: int) -> None:
    finished_at, seen_at = dict[str, float](), dict[str, float]()
    async with _opened(url) as gateway, _opened(url) as worker:
        began = time.perf_counter()
        submitted = await submit(gateway, count)
        print(f"  submit   {count / (time.perf_counter() - began):7.0f} /s   {_ms(submitted)}")
        ids = [f"job{n * (count // watchers):06}" for n in range(watchers)]
        watching = [asyncio.create_task(watch(gateway, each, seen_at)) for each in ids]
        cpu, began = time.process_time(), time.perf_counter()
        await asyncio.sleep(_IDLE_S)
        share = (time.process_time() - cpu) / (time.perf_counter() - began)
        print(f"  {watchers} watchers of {count} queued jobs: {share:.1%} of a core")
        began = time.perf_counter()
        for name, durations in zip(_STEPS, await work(worker, count, finished_at), strict=True):
            print(f"  {name:8}               {_ms(durations)}")
        print(f"  all {count} done in {time.perf_counter() - began:.1f} s")
        await asyncio.gather(*watching)
    print(f"  lag of watchers        {_ms([seen_at[each] - finished_at[each] for each in ids])}")


def _opened(url: str) -> contextlib.AbstractAsyncContextManager[JobStore]:
    return open_store(url, max_queued=10**6, max_attempts=5)


def _ms(durations: list[float]) -> str:
    """Formats the median, 99th percentile and maximum in milliseconds."""
    ordered = sorted(durations)
    p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    middle = statistics.median(ordered)
    return f"p50 {1e3 * middle:7.1f}  p99 {1e3 * p99:7.1f}  max {1e3 * ordered[-1]:7.1f} ms"


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[str]:
    """Runs a Redis on a Unix socket that syncs every write before its response."""
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    process = subprocess.Popen(
        ["redis-server", *options, "--appendonly", "yes", "--appendfsync", "always"],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not socket.exists():
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--redis")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        await bench(f"sqlite:///{folder}/jobs.sqlite", arguments.jobs, arguments.watchers)
        with contextlib.ExitStack() as stack:
            url = arguments.redis
            if url is None and shutil.which("redis-server"):
                url = stack.enter_context(run_redis(Path(folder)))
            if url is None:
                print("Redis: redis-server is not installed")
                return
            print("Redis")
            await bench(url, arguments.jobs, arguments.watchers)


if __name__ == "__main__":
    asyncio.run(main())
