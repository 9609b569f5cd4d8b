"""Webhooks: signed notifications of ended jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import structlog

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.problems import RefusedURL
from deepfake_serving.gateway.documents import WebhookEvent
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.document import job_document
from deepfake_serving.gateway.jobs.loop import Worker
from deepfake_serving.gateway.queue.store import JobStore
from deepfake_serving.runtime import tracing
from deepfake_serving.runtime.serialization import to_json
from deepfake_serving.runtime.webhook_signing import parse_secrets, signed_headers

log = structlog.get_logger(__name__)

_TIMEOUT_S = 10.0
_LEASE_S = 3 * _TIMEOUT_S
_CONCURRENCY = 8


class WebhookSender:
    """Posts webhooks, over connections that follow the same address policy as media URLs."""

    def __init__(self, secret: str, fetcher: Fetcher, count: Callable[[bool], object]) -> None:
        """Prepares the signers.

        Args:
            count: Called after each attempt with whether it succeeded.

        Raises:
            ValueError: the secret is invalid.
        """
        self._signers, self._fetcher, self._count = parse_secrets(secret), fetcher, count

    async def deliver(self, job: Job) -> bool:
        """Posts the job, without its result, and returns whether the response was 2xx.

        The delivery is part of the trace that the job was submitted in.
        """
        with tracing.work("webhook", job.traceparent, {"deepfake.job": job.id}) as traceparent:
            success, reason = await self._post(job, traceparent)
        log.info("webhook sent", id=job.id, success=success, reason=reason)
        self._count(success)
        return success

    async def _post(self, job: Job, traceparent: str | None) -> tuple[bool, str]:
        """Returns whether the response was 2xx; its status, or the name of an error."""
        body = to_json(WebhookEvent(f"job.{job.state}", job_document(job)))
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        headers = signed_headers(self._signers, job.id, int(time.time()), body)
        headers["Content-Type"] = "application/json"
        if traceparent is not None:
            headers["traceparent"] = traceparent
        try:
            url = self._fetcher.check(job.webhook or "")
            async with (
                self._fetcher.session() as session,
                session.post(
                    url, data=body, headers=headers, allow_redirects=False, timeout=timeout
                ) as response,
            ):
                return 200 <= response.status < 300, str(response.status)
        except (aiohttp.ClientError, OSError, ValueError, RefusedURL) as error:
            return False, type(error).__name__


@asynccontextmanager
async def delivering_webhooks(
    secret: str | None, fetcher: Fetcher | None, store: JobStore, count: Callable[[bool], object]
) -> AsyncIterator[None]:
    """Delivers webhooks of ended jobs while the context is open.

    Does nothing without a secret, or if the gateway makes no connections.
    """
    if secret is None or fetcher is None:
        yield
        return
    worker = Worker(
        store,
        {},
        lease_s=_LEASE_S,
        concurrency={"webhooks": _CONCURRENCY},
        drain_s=_TIMEOUT_S,
        deliver=WebhookSender(secret, fetcher, count).deliver,
    )
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await working
