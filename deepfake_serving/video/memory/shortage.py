"""Whether memory is short below the limit of this process.

FFmpeg's decoders report invalid data where an allocation failed (h264, libdav1d), and EAGAIN where
a thread has no stack, so their errors alone do not tell a broken video from a lack of memory.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_SHARE, _MIN_BYTES = 0.25, 16 * 2**20
"""Share of the limit that is less than some frames need, and the stacks of a decoder's threads."""


def check_shortage(limit_bytes: int) -> None:
    """Raises an error if so little of the limit is left that a decoder's failure is due to it.

    Args:
        limit_bytes: the memory of decoding alone, a part of what this process may allocate.

    Raises:
        MemoryError
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit == resource.RLIM_INFINITY:
        return
    left = limit - allocated_bytes()
    if left < max(_SHARE * limit_bytes, _MIN_BYTES):
        raise MemoryError(f"{left} bytes are left of {limit_bytes}")


def allocated_bytes() -> int:
    """Returns the bytes that count towards RLIMIT_DATA; 0 where they are unknown."""
    if sys.platform != "linux":
        return 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
