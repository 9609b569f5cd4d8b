"""A worker that the gateway runs as a child process.

A video that crashes its decoder or exhausts memory must not take the gateway down.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import structlog

from deepfake_serving.runtime.tasks import background

log = structlog.get_logger(__name__)

_BACKOFF_S, _MAX_BACKOFF_S = 0.5, 30.0


class EmbeddedWorker:
    """Keeps one `python -m deepfake_serving.gateway.worker` running.

    Its standard input is a pipe of the gateway. The worker ends when the pipe does, however the
    gateway ended.
    """

    def __init__(self, *command: str) -> None:
        self.command = command or (
            sys.executable,
            "-m",
            "deepfake_serving.gateway.worker",
            "--with-parent",
        )
        self.process: asyncio.subprocess.Process | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the worker while the context is open; on exit, terminates it and waits for it."""
        try:
            async with background(self._supervise()):
                yield
        finally:
            await self._terminate()

    async def _supervise(self) -> None:
        """Restarts the worker when it exits, with exponential backoff."""
        backoff_s = _BACKOFF_S
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command, stdin=asyncio.subprocess.PIPE, start_new_session=True
                )
            except OSError as error:  # too many processes or open files, for now
                log.warning("worker not started", reason=str(error), retry_in_s=backoff_s)
            else:
                code = await self.process.wait()
                if loop.time() - started > _MAX_BACKOFF_S:
                    backoff_s = _BACKOFF_S
                log.warning("worker exited", code=code, restart_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def _terminate(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
