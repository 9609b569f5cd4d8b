"""Job metrics before and after the store was read."""

from __future__ import annotations

from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.health import StoreHealth


def test_there_is_no_count_before_the_store_is_read() -> None:
    metrics = Metrics()
    metrics.watch_jobs(StoreHealth(_no_check, _no_check))
    assert b"deepfake_jobs{" not in metrics.exposition()
    assert b"deepfake_job_queue_age_seconds 0" not in metrics.exposition()
    metrics.jobs.counts = {"queued": 2}
    assert b'deepfake_jobs{state="queued"} 2.0' in metrics.exposition()
    assert b'deepfake_jobs{state="dead"} 0.0' in metrics.exposition()


def test_there_is_no_count_while_the_store_does_not_respond() -> None:
    metrics = Metrics()
    health = StoreHealth(_no_check, _no_check)
    metrics.watch_jobs(health)
    metrics.jobs.counts = {"queued": 2}
    assert b"deepfake_job_store_up 1.0" in metrics.exposition()
    assert b"deepfake_job_store_writable 1.0" in metrics.exposition()
    health.refusal = "full"
    assert b"deepfake_job_store_writable 0.0" in metrics.exposition()
    assert b"deepfake_job_store_up 1.0" in metrics.exposition()
    health.reason = "gone"
    assert b"deepfake_job_store_up 0.0" in metrics.exposition()
    assert b"deepfake_jobs{" not in metrics.exposition()


async def _no_check() -> None:
    pass


def test_ended_jobs_are_counted_from_zero() -> None:
    metrics = Metrics()
    metrics.expect_jobs(["video"])
    assert b'deepfake_jobs_ended_total{kind="video",state="dead"} 0.0' in metrics.exposition()
