"""The media file of a job: stored by the gateway, or fetched by its URL."""

from __future__ import annotations

import hashlib
from pathlib import Path

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.problems import RefusedURL
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.fetch.sites import Sites
from deepfake_serving.gateway.queue.usage import CountUsage
from deepfake_serving.gateway.storage.objects import Objects


class JobMedia:
    """Downloads the media of jobs."""

    def __init__(
        self,
        objects: Objects,
        fetcher: Fetcher | None,
        count_usage: CountUsage,
        sites: Sites | None = None,
    ) -> None:
        """
        Args:
            count_usage: called with the bytes of each fetch.
            sites: resolves pages of video sites; None: they are fetched as they are.
        """
        self._objects, self._fetcher, self._sites = objects, fetcher, sites
        self._count_usage = count_usage

    async def download(self, job: Job, path: Path, max_bytes: int) -> str:
        """Writes the media to a file and returns its digest.

        Raises:
            Problem
        """
        if job.source.object is not None:
            await self._objects.get_file(job.source.object, path)
            return str(job.source.digest)
        if job.source.url is None or self._fetcher is None:
            raise RefusedURL("this server does not fetch media from URLs")
        url = await self._sites.resolve(job.source.url) if self._sites else job.source.url
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as file:

            def write(chunk: bytes) -> None:
                nonlocal size
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)

            try:
                await self._fetcher.fetch(url, write, max_bytes)
            finally:
                self._count_usage(job.owner, "bytes", size)
        return f"sha256:{digest.hexdigest()}"
