"""A burst of large blocks in a separate process, whose freed memory should return to the system."""

from __future__ import annotations

import os
import subprocess
import sys

_BURST = """
import resource, time
{setup}
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

bytearray(4 * 2**20)  # from now on such blocks are on the heap
before = resident()
large, small = [], []
for _ in range(20):
    large.append(bytearray(4 * 2**20 - 4096))
    large[-1][::4096] = bytes(1023)
    small.append(bytearray(2**16))  # keeps the top of the heap, as it fits in no gap
del large
held = resident() - before
{start}
end = time.monotonic() + 30
while resident() > before + 10 and time.monotonic() < end:
    time.sleep(0.01)
print(held, resident() - before)
"""


def burst(setup: str, start: str, **environment: str) -> tuple[int, int]:
    """Runs a burst of 80 MB, and waits for its return, at most 30 s.

    Args:
        setup: statements that run before the burst.
        start: statements that start what returns it, in a thread.

    Returns:
        The MB that are held after the burst, and at the end.
    """
    completed = subprocess.run(
        [sys.executable, "-c", _BURST.format(setup=setup, start=start)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    held, remaining = map(int, completed.stdout.split())
    return held, remaining
