"""A worker beside the gateway, as a process of its own.

A video that brings down its decoder, or fills the memory, must not take the gateway with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import structlog

log = structlog.get_logger(__name__)

_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class EmbeddedWorker:
    """Keeps one `python -m deepfake_serving.gateway.worker` running.

    Its standard input is a pipe of ours: when that ends, however we ended, so does it.
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
        """The worker runs meanwhile; on exit it is asked to end, and is waited for."""
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._stop()

    async def _keep(self) -> None:
        """Starts it, and starts it anew when it ends, ever later where it ends at once."""
        pause = _PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, start_new_session=True
            )
            code = await self.process.wait()
            if loop.time() - begun > _LONGEST_PAUSE_S:
                pause = _PAUSE_S
            log.warning("worker ended", code=code, again_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
