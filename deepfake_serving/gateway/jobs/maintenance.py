"""What a gateway does now and then: ends abandoned jobs, counts all, clears up old ones."""

from __future__ import annotations

import asyncio

import structlog

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.jobs.retention import clear_up
from deepfake_serving.gateway.jobs.store import JobStore
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects

log = structlog.get_logger(__name__)

_COUNT_S = 2.0
_CLEAR_EVERY = 150
"""Counts; five minutes."""


async def housekeeping(
    settings: Settings, store: JobStore, objects: Objects, metrics: Metrics
) -> None:
    """Runs until it is cancelled; what fails is tried again the next time."""
    rounds = 0
    while True:
        try:
            await store.end_abandoned()
            counts, oldest_s = await store.counts(), await store.oldest_queued_age()
            metrics.jobs.counts, metrics.jobs.oldest_queued_s = counts, oldest_s
            if rounds % _CLEAR_EVERY == 0:
                await clear_up(store, objects, settings.retain_hours * 3600, settings.retain_bytes)
        except Problem as problem:
            log.warning("housekeeping", problem=problem.slug, detail=problem.detail)
        rounds += 1
        await asyncio.sleep(_COUNT_S)
