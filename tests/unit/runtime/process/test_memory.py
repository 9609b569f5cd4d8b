"""Freed memory is kept for a while, then returned; measured in separate processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT
from tests.support.bursts import burst

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
_RETURNING_SETUP = """
import asyncio, threading
from deepfake_serving.runtime.process.memory import return_freed_memory
"""
_RETURNING = (
    "threading.Thread(target=lambda: asyncio.run(return_freed_memory(0.01)), daemon=True).start()"
)
_THREADS = """
import ctypes, resource, threading
from deepfake_serving.runtime.process.memory import share_one_arena

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

def burst():
    for _ in range(2):  # the first is mapped, and later ones of its size are not
        bytearray(b"x" * (30 * 2**20))

{setup}
before = resident()
thread = threading.Thread(target=burst)
thread.start()
thread.join()
ctypes.CDLL(None).malloc_trim(0)
print(resident() - before)
"""
_SETUP = (
    "from deepfake_serving.runtime.process.memory import keep_freed_memory; keep_freed_memory()"
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
def test_training_reuses_blocks_of_any_size() -> None:
    large = 'bytearray(b"x" * (64 * 2**20))'
    setup = (
        "from deepfake_serving.runtime.process.memory import return_no_memory; return_no_memory()"
    )
    assert _faults(setup=setup, run=large) < _faults(run=large) / 10


@glibc
def test_workers_start_with_the_memory_settings() -> None:
    assert _faults(**WORKER_ENVIRONMENT) < _faults() / 10


@glibc
def test_a_new_thread_of_a_worker_reuses_freed_memory() -> None:
    in_main = _faults(**WORKER_ENVIRONMENT)
    assert _faults(run=_IN_A_THREAD, **WORKER_ENVIRONMENT) < 1.5 * in_main


@glibc
def test_what_a_burst_freed_is_returned() -> None:
    held, remaining = burst(_RETURNING_SETUP, _RETURNING)
    assert held > 60
    assert remaining <= 10


def _kept_by_a_thread(setup: str) -> int:
    command = [sys.executable, "-c", _THREADS.format(setup=setup)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@glibc
def test_what_a_thread_freed_is_returned() -> None:
    assert _kept_by_a_thread("") > 20
    assert _kept_by_a_thread("share_one_arena()") < 10
