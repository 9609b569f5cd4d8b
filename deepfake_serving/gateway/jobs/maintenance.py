"""Periodic maintenance: recovers the jobs of lost workers, counts jobs, deletes what is old."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from deepfake_serving.gateway.feedback.retention import (
    delete_expired_feedback,
    delete_expired_images,
)
from deepfake_serving.gateway.jobs.retention import delete_expired
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.uploads.retention import delete_expired_uploads
from deepfake_serving.runtime.tasks import repeat

_INTERVAL_S = 2.0
_RETENTION_INTERVAL_S = 300.0
_LEFTOVER_AGE_S = 3600.0


async def run_maintenance(
    settings: Settings, store: JobStore, objects: Objects, metrics: Metrics
) -> None:
    """Runs until cancelled. Recovery, counts and retention fail apart from each other."""
    recover = partial(store.recover_abandoned, settings.lease_s)
    count = partial(_count_jobs, store, metrics)
    delete = partial(_delete_expired, settings, store, objects, metrics)
    async with asyncio.TaskGroup() as group:
        group.create_task(repeat(recover, _INTERVAL_S, "recovery of jobs"))
        group.create_task(repeat(count, _INTERVAL_S, "counts of jobs"))
        group.create_task(repeat(delete, _RETENTION_INTERVAL_S, "retention"))


async def _count_jobs(store: JobStore, metrics: Metrics) -> None:
    counts, oldest_s = await store.counts(), await store.oldest_queued_age()
    parts = await store.backend.part_counts()
    for state in ("queued", "running"):  # workers are scaled by them
        counts[state] = counts.get(state, 0) + parts.get(state, 0)
    metrics.jobs.counts, metrics.jobs.oldest_queued_s = counts, oldest_s


async def _delete_expired(
    settings: Settings, store: JobStore, objects: Objects, metrics: Metrics
) -> None:
    max_age_s = settings.retain_hours * 3600
    await delete_expired(store, objects, max_age_s, settings.retain_bytes)
    before = store.clock() - max_age_s
    await delete_expired_images(
        store.backend.collection("images"),
        objects,
        before,
        settings.remember_images,
        settings.retain_image_bytes,
    )
    await delete_expired_feedback(store.backend.collection("feedback"), before)
    uploads = store.backend.collection("uploads")
    expired = await delete_expired_uploads(
        uploads, objects, store.clock(), settings.upload_expire_s
    )
    metrics.upload_events("expired", expired)
    for prefix in ("cache", "images", "jobs", "uploads"):
        await objects.delete_leftovers(prefix, time.time() - _LEFTOVER_AGE_S)
