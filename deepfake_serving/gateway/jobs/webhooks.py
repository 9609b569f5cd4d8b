"""Webhooks: a job's end, told to a URL, with a signature."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import structlog

from deepfake_serving.contracts.documents import WebhookEvent
from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.problems import RefusedURL
from deepfake_serving.contracts.serialization import to_json
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.document import job_document
from deepfake_serving.gateway.jobs.loop import Worker
from deepfake_serving.gateway.jobs.records import Lane
from deepfake_serving.gateway.jobs.signing import signature, signing_key
from deepfake_serving.gateway.jobs.store import JobStore

log = structlog.get_logger(__name__)

_PATIENCE_S = 10.0
_LEASE_S = 3 * _PATIENCE_S
_AT_ONCE = 4


class Webhooks:
    """Tells webhooks, over connections that are checked like those to callers' media."""

    def __init__(self, secret: str, fetcher: Fetcher, count: Callable[[bool], object]) -> None:
        """`count` is told of each attempt whether it could be told.

        Raises:
            ValueError: the secret can't be one.
        """
        self._key, self._fetcher, self._count = signing_key(secret), fetcher, count

    async def tell(self, job: Job) -> bool:
        """Posts the job, without its result; whether the answer was 2xx."""
        body = to_json(WebhookEvent(f"job.{job.state}", job_document(job)))
        patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
        headers = signature(self._key, job.id, int(time.time()), body)
        try:
            url = self._fetcher.check(job.webhook or "")
            async with (
                self._fetcher.session() as session,
                session.post(
                    url, data=body, headers=headers, allow_redirects=False, timeout=patience
                ) as answer,
            ):
                told = 200 <= answer.status < 300
                reason = str(answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError, RefusedURL) as error:
            told, reason = False, type(error).__name__
        log.info("webhook", job=job.id, told=told, reason=reason)
        self._count(told)
        return told


@asynccontextmanager
async def telling_webhooks(
    secret: str | None, fetcher: Fetcher | None, store: JobStore, count: Callable[[bool], object]
) -> AsyncIterator[None]:
    """Tells those of jobs that have ended, some at once, where webhooks are set up and anything is
    to be connected to."""
    if secret is None or fetcher is None:
        yield
        return
    tell = Webhooks(secret, fetcher, count).tell
    places: dict[Lane, int] = {"webhooks": _AT_ONCE}
    worker = Worker(store, {}, lease_s=_LEASE_S, places=places, drain_s=_PATIENCE_S, tell=tell)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await working
