"""Workers that live but hang: stopped, deadlocked, or waiting for a device that is gone.

TorchServe ends a worker that has held a batch for its response timeout, which is longer than any
request may take. Until then the batch's requests would fail; those of a model whose workers all
hang, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

log = structlog.get_logger(__name__)

_MIN_S = 10.0
_MIN_CHECKS = 10
"""Checks in a row, so that a pause of this process does not look like one of the workers."""
_RECEIVE = {"45", "207"} if platform.machine() in {"x86_64", "aarch64"} else set[str]()
"""The numbers of recvfrom(2), in which a worker waits for its next batch: those of both machines,
as an emulator shows the kernel's."""


@dataclass(slots=True)
class _Still:
    """A worker that has done nothing since a time, and by how many checks."""

    cpu_s: float
    since_s: float
    checks: int = 0

    def is_long(self, now_s: float) -> bool:
        return self.checks >= _MIN_CHECKS and now_s - self.since_s >= _MIN_S


class StalledWorkers:
    """Ends the workers that neither use the processor nor wait for a batch.

    A worker that computes uses the processor, also where a GPU does the work. Where the system does
    not say what a worker waits for, an idle one looks like one that hangs: there they are ended
    only if the model has requests and all of its workers are still. One that is ended is a lost
    worker: TorchServe starts another, and its requests are retried.
    """

    def __init__(self) -> None:
        self._still: dict[str, dict[int, _Still]] = {}

    def check(self, model: str, ready: Collection[int], in_flight: int) -> None:
        """Checks the processes of a model's ready workers, of which there may be none.

        Args:
            in_flight: requests at TorchServe.
        """
        now, before = asyncio.get_running_loop().time(), self._still.get(model, {})
        waits = {pid: _waits_for_batch(pid) for pid in ready}
        still = self._still[model] = {
            pid: _checked(before.get(pid), pid, now, idle=not in_flight if known is None else known)
            for pid, known in waits.items()
        }
        long = [pid for pid, each in still.items() if each.is_long(now)]
        hung = [pid for pid in long if waits[pid] is False or len(long) == len(ready)]
        if hung:
            log.error("workers stalled", model=model, pids=sorted(hung), in_flight=in_flight)
        for pid in hung:
            del still[pid]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _checked(before: _Still | None, pid: int, now_s: float, *, idle: bool) -> _Still:
    cpu_s = _cpu_s(pid)
    if before is None or idle or before.cpu_s != cpu_s:
        return _Still(cpu_s, now_s)
    return _Still(cpu_s, before.since_s, before.checks + 1)


def _cpu_s(pid: int) -> float:
    """Returns the processor time of a process; -1 if it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return -1.0
    return float(times.user + times.system)


def _waits_for_batch(pid: int) -> bool | None:
    """Returns whether a still worker waits for its next batch; None where that is not known.

    Linux shows a process's parents the system call that it is in (proc_pid_syscall(5)). A stopped
    process (SIGSTOP) waits for nothing.
    """
    try:
        if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            return False
        call = Path(f"/proc/{pid}/syscall").read_text().split()[0]
    except (psutil.Error, OSError, IndexError):
        return None
    return call in _RECEIVE if _RECEIVE else None
