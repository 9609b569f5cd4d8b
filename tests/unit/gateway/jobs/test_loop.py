"""The worker's loop, on a SQLite store, with scripted jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deepfake_serving.contracts.jobs import ENDED, Job, Progress, Source
from deepfake_serving.contracts.problems import Internal, UndecodableMedia, UpstreamUnavailable
from deepfake_serving.gateway.jobs import loop as worker_module
from deepfake_serving.gateway.jobs.loop import Outcome, Report, Worker
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue import records
from deepfake_serving.gateway.queue.records import Claim
from deepfake_serving.gateway.queue.sqlite import open_sqlite
from deepfake_serving.gateway.queue.store import JobStore

LEASE = 10.0
DONE = Outcome("jobs/a/result", {"verdict": "real"})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_HEARTBEAT_S", 0.05)
    monkeypatch.setattr(worker_module, "_POLL_S", 0.02)
    monkeypatch.setattr(records, "_BACKOFF_S", 0.02)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JobStore]:
    async with open_sqlite(str(tmp_path / "jobs.sqlite")) as backend:
        yield JobStore(backend, max_attempts=3)


Work = Callable[[Job, Path, Report], object]


@asynccontextmanager
async def working(store: JobStore, work: Work, **settings: object) -> AsyncIterator[Worker]:
    given: dict[str, object] = {"lease_s": LEASE, "drain_s": 0.0} | settings
    worker = Worker(store, {"video": work}, **given)  # type: ignore[dict-item, arg-type]
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    yield worker
    stop.set()
    await running


async def submitted(
    store: JobStore, job_id: str = "a", kind: str = "video", webhook: str | None = None
) -> None:
    await store.submit(
        Job(job_id, kind, "queued", Source("a.mp4"), {}, store.clock(), webhook=webhook)
    )


async def ended(store: JobStore, job_id: str = "a") -> Job:
    async with asyncio.timeout(60):
        while True:
            job = await store.get(job_id)
            if job is not None and job.state in ENDED:
                return job
            await asyncio.sleep(0.01)


async def test_a_job_succeeds_and_reports_progress(store: JobStore) -> None:
    seen = asyncio.Event()
    folders: list[Path] = []

    async def work(_: Job, workspace: Path, report: Report) -> Outcome:
        folders.append(workspace)
        (workspace / "file").write_bytes(b"x")
        report(Progress("analyse", 3))
        await seen.wait()
        return DONE

    ends: list[tuple[str, str]] = []
    await submitted(store)
    async with working(store, work, on_end=lambda job, state: ends.append((job.id, state))):
        async with asyncio.timeout(60):
            while (await store.get("a")).progress.frames != 3:  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
        seen.set()
        done = await ended(store)
        await asyncio.sleep(0.05)
    assert (done.state, done.result, done.summary) == ("succeeded", DONE.result, DONE.summary)
    assert ends == [("a", "succeeded")]
    assert not folders[0].exists()


async def test_a_job_counts_as_running_while_it_is_handled(store: JobStore) -> None:
    metrics, seen = Metrics(), []
    metrics.expect_jobs(["video"])

    def running() -> float | None:
        return metrics.registry.get_sample_value("deepfake_running_jobs", {"kind": "video"})

    async def work(*_: object) -> Outcome:
        seen.append(running())
        return DONE

    await submitted(store)
    assert running() == 0
    async with working(store, work, while_running=metrics.job_running):
        await ended(store)
    assert (seen, running()) == ([1], 0)


@pytest.mark.parametrize(
    ("error", "state", "attempts"),
    [
        (UndecodableMedia("broken"), "failed", 1),
        (UpstreamUnavailable("unreachable"), "dead", 3),
        (ValueError("a defect"), "dead", 3),
    ],
)
async def test_failures_end_in_the_right_state(
    store: JobStore, error: Exception, state: str, attempts: int
) -> None:
    tried: list[int] = []

    async def work(job: Job, *_: object) -> Outcome:
        tried.append(job.attempt)
        raise error

    await submitted(store)
    async with working(store, work):
        done = await ended(store)
    assert (done.state, tried) == (state, list(range(1, attempts + 1)))
    assert done.problem is not None
    assert "a defect" not in done.problem["detail"], "the cause is only logged"


async def test_a_transient_failure_is_retried(store: JobStore) -> None:
    async def work(job: Job, *_: object) -> Outcome:
        if job.attempt < 3:
            raise UpstreamUnavailable("unreachable")
        return DONE

    over = asyncio.Event()
    await submitted(store)
    with capture_logs() as logs:
        async with working(store, work, on_end=lambda *_: over.set()):
            assert (await ended(store)).state == "succeeded"
            await over.wait()
    ends = [each for each in logs if each["event"] in ("attempt ended", "job ended")]
    assert [(each["state"], each.get("detail")) for each in ends] == [
        ("queued", "unreachable"),
        ("queued", "unreachable"),
        ("succeeded", None),
    ]


async def test_an_unknown_kind_fails(store: JobStore) -> None:
    async def work(*_: object) -> Outcome:
        raise AssertionError

    await submitted(store, kind="cake")
    async with working(store, work):
        done = await ended(store)
    assert done.problem is not None
    assert "'cake'" in done.problem["detail"]


async def endless(started: asyncio.Event, cleaned: asyncio.Event) -> Outcome:
    started.set()
    try:
        await asyncio.Event().wait()
    finally:
        cleaned.set()
    return DONE


async def test_a_cancelled_job_is_cleaned_up_and_ends(store: JobStore) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()
    await submitted(store)
    async with working(store, lambda *_: endless(started, cleaned)):
        await started.wait()
        await store.cancel("a")
        assert (await ended(store)).state == "cancelled"
        assert cleaned.is_set()
        await submitted(store, "b")
        await store.cancel("b")


async def test_a_worker_that_stops_releases_its_job(store: JobStore) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()
    await submitted(store)
    async with working(store, lambda *_: endless(started, cleaned)):
        await started.wait()
    assert cleaned.is_set()
    job = await store.get("a")
    assert job is not None
    assert (job.state, job.attempt) == ("queued", 0)

    async def work(*_: object) -> Outcome:
        return DONE

    async with working(store, work):
        assert (await ended(store)).attempt == 1


async def test_a_worker_that_stops_lets_a_job_finish(store: JobStore) -> None:
    started = asyncio.Event()

    async def work(*_: object) -> Outcome:
        started.set()
        await asyncio.sleep(0.2)
        return DONE

    await submitted(store)
    async with working(store, work, drain_s=60):
        await started.wait()
    assert (await ended(store)).state == "succeeded"


async def test_a_worker_that_lost_the_lease_stops_silently(store: JobStore) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()
    await submitted(store)
    async with working(store, lambda *_: endless(started, cleaned)):
        await started.wait()
        now = store.clock
        store.clock = lambda: now() + LEASE + 1  # the clock of another worker
        other = await store.claim(100)
        store.clock = now
        assert other is not None
        async with asyncio.timeout(60):
            await cleaned.wait()
        assert await store.finish(other, "the other's", {})
    done = await store.get("a")
    assert done is not None
    assert (done.state, done.result) == ("succeeded", "the other's")


async def test_an_outage_of_the_store_loses_no_result(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails on demand. Restarts of Redis are tested with the store."""
    finish, failures = store.finish, [1, 2, 3]

    async def failing(*given: object, **named: object) -> bool:
        if failures:
            failures.pop()
            raise UpstreamUnavailable("unreachable")
        return await finish(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "finish", failing)

    async def work(*_: object) -> Outcome:
        return DONE

    await submitted(store)
    async with working(store, work):
        done = await ended(store)
    assert (done.state, done.attempt, failures) == ("succeeded", 1, [])


async def test_a_job_goes_on_after_an_outage_that_outlasts_its_lease(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails on demand, and responds again while the handler still cleans up."""
    started, cleaning = asyncio.Event(), asyncio.Event()
    heartbeat = store.heartbeat

    async def unreliable(claim: Claim, progress: Progress, lease_s: float) -> str:
        if started.is_set() and not cleaning.is_set():
            raise UpstreamUnavailable("unreachable")
        return await heartbeat(claim, progress, lease_s)

    async def work(job: Job, *_: object) -> Outcome:
        if job.attempt > 1:
            return DONE
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.sleep(0.5)  # ten heartbeats
        return DONE

    monkeypatch.setattr(store, "heartbeat", unreliable)
    await submitted(store)
    async with working(store, work, lease_s=1.0):
        done = await ended(store)
    assert (done.state, done.attempt) == ("succeeded", 2)


async def test_only_ends_are_reported(store: JobStore) -> None:
    async def work(job: Job, *_: object) -> Outcome:
        if job.attempt == 1:
            raise UpstreamUnavailable("unreachable")
        return DONE

    ends: list[str] = []
    await submitted(store)
    async with working(store, work, on_end=lambda _, state: ends.append(state), drain_s=60):
        await ended(store)
    assert ends == ["succeeded"]


async def test_webhooks_are_retried_until_they_succeed(store: JobStore) -> None:
    deliveries: list[str] = []

    async def work(*_: object) -> Outcome:
        raise Internal("x")

    async def deliver(job: Job) -> bool:
        deliveries.append(job.state)
        return len(deliveries) == 3

    await submitted(store, webhook="https://example.org")
    async with working(store, work, deliver=deliver, concurrency={"jobs": 1, "webhooks": 1}):
        await ended(store)
        async with asyncio.timeout(60):
            while len(deliveries) < 3:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
    assert deliveries == ["dead"] * 3


async def test_a_job_whose_result_could_not_be_stored_counts_once(store: JobStore) -> None:
    """The analysis succeeds three times, and its result is stored the third time."""
    used: list[tuple[str | None, str, float]] = []

    async def handler(job: Job, _: Path, report: Report) -> Outcome:
        if job.attempt < 3:
            raise UpstreamUnavailable("the object store is away")
        return Outcome("result", {}, video_seconds=12.5)

    await store.submit(Job("a", "video", "queued", Source("a"), {}, store.clock(), owner="me"))
    worker = Worker(
        store, {"video": handler}, lease_s=LEASE, count_usage=lambda *use: used.append(use)
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(60):
        while not (job := await store.get("a")) or job.state not in ENDED:
            await asyncio.sleep(0.02)
    stop.set()
    await running
    assert (job.state, used) == ("succeeded", [("me", "video_seconds", 12.5)])
