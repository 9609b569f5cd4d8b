"""Pages of video sites: the URL of the medium that a page shows, as yt-dlp finds it.

Off by default (`fetch_sites`): see docs/security.md. The medium itself is fetched by the `Fetcher`,
like any other URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson

from deepfake_serving.assets import PACKAGE
from deepfake_serving.contracts.problems import DeadlineExceeded, RefusedURL, UnreachableURL
from deepfake_serving.gateway.fetch.fetcher import Fetcher

_AT_ONCE = 2
_LONGEST_ANSWER = 64 * 1024
_ENVIRONMENT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Sites:
    """Looks at pages, two at once, each in a process of its own."""

    def __init__(self, fetcher: Fetcher, allowed: Sequence[str], timeout_s: float = 30) -> None:
        """`allowed` are the networks that the fetcher reaches although they are not public;
        `timeout_s` bounds the look at one page."""
        self._fetcher, self._allowed, self._timeout_s = fetcher, list(allowed), timeout_s
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def resolve(self, url: str) -> str:
        """The URL of the medium; that of a video file stays as it is.

        Raises:
            RefusedURL, UnreachableURL, DeadlineExceeded
        """
        path = self._fetcher.check(url).path
        if (mimetypes.guess_type(path)[0] or "").startswith("video/"):
            return url
        try:
            async with self._places, asyncio.timeout(self._timeout_s):
                answer = await self._ask(url)
        except TimeoutError:
            bound = f"{self._timeout_s:g} s"
            raise DeadlineExceeded(f"the page took longer than the bound of {bound}") from None
        return self._judge(answer)

    async def _ask(self, url: str) -> bytes:
        asked = {"url": url, "allowed": self._allowed, "timeout_s": self._timeout_s}
        async with _started() as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(ConnectionError):
                process.stdin.write(orjson.dumps(asked))
                await process.stdin.drain()
            process.stdin.close()
            answer = b""
            while len(answer) <= _LONGEST_ANSWER and (piece := await process.stdout.read(2**16)):
                answer += piece
            return answer

    def _judge(self, answer: bytes) -> str:
        try:
            found = orjson.loads(answer[:_LONGEST_ANSWER])
        except orjson.JSONDecodeError:  # it ran out of memory or of time
            found = {}
        if "url" in found:
            return str(self._fetcher.check(found["url"]))
        if found.get("error") == "refused":
            raise RefusedURL("the page leads to an address that is not public")
        raise UnreachableURL("no video was found at the URL")


@asynccontextmanager
async def _started() -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, which knows nothing of our environment and is gone afterwards."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    with tempfile.TemporaryDirectory(prefix="deepfake-site-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "deepfake_serving.gateway.fetch.site_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(PACKAGE.parent), "HOME": folder},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
