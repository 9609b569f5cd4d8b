"""Workers that live but hang: stopped, deadlocked, or waiting for a device that is gone.

TorchServe ends a worker that has held a batch for the response timeout, which is longer than any
request may take. If all workers of a model hang, all of its requests would fail until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection
from dataclasses import dataclass

import psutil
import structlog

log = structlog.get_logger(__name__)

_MIN_S = 10.0
_MIN_CHECKS = 10
"""Checks in a row, so that a pause of this process does not look like one of the workers."""


@dataclass(slots=True)
class _Still:
    """Processor times of workers, by process, that have not changed since a time."""

    cpu_s: dict[int, float]
    since_s: float
    checks: int = 0


class StalledWorkers:
    """Ends the workers of a model that have requests, and of which none uses the processor.

    A worker that computes uses it, also where a GPU does the work. One that is ended is a lost
    worker: TorchServe starts another, and its requests are retried.
    """

    def __init__(self) -> None:
        self._still: dict[str, _Still] = {}

    def check(self, model: str, ready: Collection[int], in_flight: int) -> None:
        """Checks the processes of a model's ready workers, of which there may be none.

        Args:
            in_flight: requests at TorchServe.
        """
        now, cpu_s = asyncio.get_running_loop().time(), {pid: _cpu_s(pid) for pid in ready}
        still = self._still.get(model)
        if not in_flight or not cpu_s or still is None or still.cpu_s != cpu_s:
            self._still[model] = _Still(cpu_s, now)
            return
        still.checks += 1
        if still.checks >= _MIN_CHECKS and now - still.since_s >= _MIN_S:
            del self._still[model]
            log.error("workers stalled", model=model, pids=sorted(cpu_s), in_flight=in_flight)
            for pid in cpu_s:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _cpu_s(pid: int) -> float:
    """Returns the processor time of a process; -1 if it has ended."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return -1.0
    return float(times.user + times.system)
