"""Maintenance: what fails in one round hinders neither the others nor the next one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.jobs import maintenance
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.tasks import background
from tests.support.running import GUARD_S


@pytest.mark.parametrize("error", [ZeroDivisionError(), UpstreamUnavailable("gone")])
async def test_jobs_are_counted_and_later_recovered_although_their_recovery_failed(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_INTERVAL_S", 0.01)
    recover, failures = JobStore.recover_abandoned, [error, error]
    recovered = asyncio.Event()

    async def recover_abandoned(store: JobStore, lease_s: float) -> object:
        if failures:
            raise failures.pop()
        result = await recover(store, lease_s)
        recovered.set()
        return result

    monkeypatch.setattr(JobStore, "recover_abandoned", recover_abandoned)
    metrics = Metrics()
    objects = Objects.open(f"file://{tmp_path}/objects")
    url = f"sqlite:///{tmp_path}/jobs.sqlite"
    async with open_store(url, max_queued=10, max_attempts=3) as store:
        await store.submit(Job("a", "video", "queued", Source("a"), {}, store.clock()))
        with capture_logs() as logs:
            working = maintenance.run_maintenance(Settings(), store, objects, metrics)
            async with background(working), asyncio.timeout(GUARD_S):
                await recovered.wait()
                while (metrics.jobs.counts or {}).get("queued") != 1:
                    await asyncio.sleep(0.01)
    events = {(each["event"], each["task"]) for each in logs}
    assert {task for _, task in events} == {"recovery of jobs"}
    assert len(events) == 1
