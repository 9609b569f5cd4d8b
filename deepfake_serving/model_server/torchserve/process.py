"""TorchServe's Java process: its start, its output, and its stop with all its children."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque

import psutil
import structlog

from deepfake_serving.model_server.torchserve.config import Launch
from deepfake_serving.model_server.torchserve.worker_tracebacks import WorkerTracebacks
from deepfake_serving.runtime.process.shutdown import end_with_parent

log = structlog.get_logger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
_TAIL = 60
_WORKER_LOGGER = "MODEL_LOG"


class TorchServeProcess:
    """A running TorchServe in its own process group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._worker_lines: deque[str] = deque(maxlen=_TAIL)
        self._own_lines: deque[str] = deque(maxlen=_TAIL)
        self._tracebacks = WorkerTracebacks(
            lambda text, ids: log.error("worker failed", requests=ids, traceback=text)
        )
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, launch: Launch) -> TorchServeProcess:
        process = await asyncio.create_subprocess_exec(
            *launch.command,
            env=launch.environment,
            cwd=launch.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGKILL),
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def last_words(self) -> list[str]:
        """Returns the last log lines of the workers, else of TorchServe itself."""
        return list(self._worker_lines or self._own_lines)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Sends SIGTERM to Java, then SIGKILL to what is left of its process group."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reader, 2)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a line longer than the buffer; the rest of it follows
                continue
            if not line:
                return
            self._note(line.decode(errors="replace").rstrip())

    def _note(self, line: str) -> None:
        level, _, rest = line.partition("|")
        logger, separator, message = rest.partition("|")
        if separator and logger == _WORKER_LOGGER:
            self._worker_lines.append(message)
            self._tracebacks.add(message)
            log.debug("worker", line=message)
        else:
            self._own_lines.append(line)
            severe = level in ("ERROR", "FATAL")
            (log.warning if severe else log.debug)("torchserve", line=line)


def adopt_orphans() -> None:
    """Makes this process a child subreaper (Linux, prctl(2)), as PID 1 always is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(except_pid: int | None) -> None:
    """Reaps zombie children that nothing else waits for: adopted workers of a dead Java."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, ChildProcessError):
            if child.pid != except_pid and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
