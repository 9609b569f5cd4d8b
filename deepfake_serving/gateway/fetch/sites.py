"""Pages of video sites: yt-dlp finds the URL of the video that a page shows.

Off by default (`fetch_sites`): see docs/security.md. The `Fetcher` fetches the video itself, like
any other URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson

from deepfake_serving.assets import PACKAGE
from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.address_policy import NOT_PUBLIC
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.queue.turns import Turns
from deepfake_serving.runtime.process.shutdown import end_with_parent
from deepfake_serving.runtime.scratch.workspaces import workspace

SCRATCH = "deepfake-site-"
"""Prefix of the folders of the processes."""

_MAX_CONCURRENT = 2
_MAX_OUTPUT_BYTES = 64 * 1024
_ENVIRONMENT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Sites:
    """Resolves pages, two at a time, each in a sandboxed process."""

    def __init__(self, fetcher: Fetcher, allowed: Sequence[str], timeout_s: float = 30) -> None:
        """
        Args:
            allowed: networks that may be reached although they are not public.
            timeout_s: limits the resolution of one page.
        """
        self._fetcher, self._allowed, self._timeout_s = fetcher, list(allowed), timeout_s
        self._slots = Turns(_MAX_CONCURRENT)

    async def resolve(self, url: str) -> str:
        """Returns the URL of a page's video; the URL of a video file is returned as it is.

        Raises:
            RefusedURL, UnreachableURL, DeadlineExceeded
        """
        path = self._fetcher.check(url).path
        if (mimetypes.guess_type(path)[0] or "").startswith("video/"):
            return url
        try:
            async with self._slots, asyncio.timeout(self._timeout_s):
                output = await self._run(url)
        except TimeoutError:
            limit = f"{self._timeout_s:g} s"
            raise DeadlineExceeded(f"the page took longer than the limit of {limit}") from None
        return self._parse(output)

    async def _run(self, url: str) -> bytes:
        request = {"url": url, "allowed": self._allowed, "timeout_s": self._timeout_s}
        async with _start() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.write(orjson.dumps(request))
                await process.stdin.drain()
            process.stdin.close()
            output = b""
            while len(output) <= _MAX_OUTPUT_BYTES and (chunk := await process.stdout.read(2**16)):
                output += chunk
            return output

    def _parse(self, output: bytes) -> str:
        try:
            found = orjson.loads(output[:_MAX_OUTPUT_BYTES])
        except orjson.JSONDecodeError:  # the process ran out of memory or time
            found = {}
        if "url" in found:
            return str(self._fetcher.check(found["url"]))
        if found.get("error") == "refused":
            raise RefusedURL(f"the page {NOT_PUBLIC}")
        raise UnreachableURL("no video was found at the URL")


@asynccontextmanager
async def _start() -> AsyncIterator[asyncio.subprocess.Process]:
    """Starts the process without our environment, and kills it afterwards."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    with workspace(SCRATCH) as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "deepfake_serving.gateway.fetch.site_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(PACKAGE.parent), "HOME": str(folder)},
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGKILL),
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
