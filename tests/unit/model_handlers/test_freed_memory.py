"""A loaded worker returns what a burst freed, though no request follows; in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deepfake_serving.runtime.process.memory import WORKER_ENVIRONMENT

_BURST = """
import resource, time
from types import SimpleNamespace
from model_handlers import handler

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

handler.return_freed_memory.__defaults__ = (0.2,)
handler.load_task = lambda *_: None
bytearray(4 * 2**20)  # from now on such blocks are on the heap
before = resident()
large, small = [], []
for _ in range(20):
    large.append(bytearray(4 * 2**20 - 4096))
    large[-1][::4096] = bytes(1023)
    small.append(bytearray(1000))  # keeps the top of the heap
del large
held = resident() - before
handler.handle(None, SimpleNamespace(system_properties={"model_dir": "."}))
end = time.monotonic() + 30
while resident() > before + 10 and time.monotonic() < end:
    time.sleep(0.01)
print(held, resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim(3) is glibc's")
def test_a_worker_returns_what_a_burst_freed() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", _BURST],
        env=os.environ | WORKER_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    held, remaining = map(int, completed.stdout.split())
    assert held > 60
    assert remaining <= 10
