"""glibc malloc settings that keep freed memory in the process between requests.

By default blocks from 128 KiB on are mapped and unmapped each time, which costs a page fault for
every 4 KiB of every image: about 2500 for a body of 4 MB (mallopt(3)). Workers decode each image in
a thread of its own. With one arena, such a thread reuses the memory of those before it.
"""

from __future__ import annotations

import ctypes
import platform

_MMAP_THRESHOLD = 32 * 2**20
"""Bytes; the maximum that glibc accepts."""
_TRIM_THRESHOLD = 128 * 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(_MMAP_THRESHOLD),
    "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
    "MALLOC_ARENA_MAX": "1",
}
"""Settings of a new process, as environment variables; ignored without glibc."""


def keep_freed_memory() -> None:
    """Applies the settings to this process; does nothing without glibc."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
