"""Watchers of a job: they see its end, also after a failover of the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.auth.authenticator import Principal
from deepfake_serving.gateway.jobs.service import JobService
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.storage.objects import Objects


@pytest.mark.parametrize("taken_back", [0, 1])
async def test_a_job_ends_after_a_failover_took_changes_back(
    taken_back: int, store_url: str, tmp_path: Path
) -> None:
    """An update stands for the failover, and for what followed it up to the end."""
    async with open_store(store_url, max_queued=9, max_attempts=3) as store:
        service = JobService(store, Objects.open(f"file://{tmp_path}/objects"))
        await store.submit(Job("a", "video", "queued", Source("a.mp4"), {}, store.clock()))
        assert await store.claim(60) is not None
        watching = service.watch("a", Principal())
        seen = await anext(watching)
        assert seen is not None
        version = seen.version - taken_back
        await store.backend.update(
            "a", lambda r: replace(r, job=replace(r.job, state="succeeded", version=version))
        )
        async with asyncio.timeout(60):
            changes = [job async for job in watching if job is not None]
    assert [job.state for job in changes] == ["succeeded"]
