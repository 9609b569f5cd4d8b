"""Webhooks: a job's end, told to a URL, with a signature."""

from __future__ import annotations

import time

import aiohttp
import orjson
import structlog

from contracts.jobs import Job
from contracts.problems import RefusedURL
from gateway.fetching import Fetcher
from gateway.presented import job_document
from gateway.signing import signature, signing_key

log = structlog.get_logger(__name__)

_PATIENCE = aiohttp.ClientTimeout(total=10)


class Webhooks:
    """Tells webhooks, over connections that are checked like those to callers' media."""

    def __init__(self, secret: str, fetcher: Fetcher) -> None:
        """Raises `ValueError` where the secret can't be one."""
        self._key, self._fetcher = signing_key(secret), fetcher

    async def tell(self, job: Job) -> bool:
        """Posts the job, without its result; whether the answer was 2xx."""
        body = orjson.dumps({"type": f"job.{job.state}", "data": job_document(job)})
        headers = signature(self._key, job.id, int(time.time()), body)
        try:
            url = self._fetcher.check(job.webhook or "")
            async with (
                self._fetcher.session() as session,
                session.post(
                    url, data=body, headers=headers, allow_redirects=False, timeout=_PATIENCE
                ) as answer,
            ):
                told = 200 <= answer.status < 300
                reason = str(answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError, RefusedURL) as error:
            told, reason = False, type(error).__name__
        log.info("webhook", job=job.id, told=told, reason=reason)
        return told


def open_webhooks(secret: str | None, fetcher: Fetcher | None) -> Webhooks | None:
    """None where webhooks are not set up, or nothing is to be connected to.

    Raises:
        ValueError: a secret that can't be.
    """
    return Webhooks(secret, fetcher) if secret and fetcher else None
