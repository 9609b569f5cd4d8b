"""Freed memory is kept, measured by page faults in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepfake_serving.model_server.limits.memory import WORKER_ENVIRONMENT

_FAULTS = """
import resource, threading
{setup}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(4 * 2**20)
before = faults()
for _ in range(50):
    {run}
print(faults() - before)
"""
_SETUP = (
    "from deepfake_serving.model_server.limits.memory import keep_freed_memory; keep_freed_memory()"
)

glibc = pytest.mark.skipif(sys.platform != "linux", reason="mallopt(3) is glibc's")


_ALLOCATE = 'bytearray(b"x" * (4 * 2**20))'
_IN_A_THREAD = f"t = threading.Thread(target=lambda: {_ALLOCATE}); t.start(); t.join()"


def _faults(setup: str = "", run: str = _ALLOCATE, **environment: str) -> int:
    completed = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(setup=setup, run=run)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(completed.stdout)


@glibc
def test_a_configured_process_reuses_freed_memory() -> None:
    assert _faults(setup=_SETUP) < _faults() / 10


@glibc
def test_workers_start_with_the_memory_settings() -> None:
    assert _faults(**WORKER_ENVIRONMENT) < _faults() / 10


@glibc
def test_a_new_thread_of_a_worker_reuses_freed_memory() -> None:
    in_main = _faults(**WORKER_ENVIRONMENT)
    assert _faults(run=_IN_A_THREAD, **WORKER_ENVIRONMENT) < 1.5 * in_main
