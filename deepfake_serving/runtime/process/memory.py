"""Settings of glibc's malloc: what is freed stays in the process for a while, but not forever.

By default blocks from 128 KiB on are mapped and unmapped each time, which costs a page fault for
every 4 KiB of every image: about 2500 for a body of 4 MB (mallopt(3)). Workers decode each image in
a thread of its own. With one arena, such a thread reuses the memory of those before it.

Once a large block was freed, however, glibc serves all up to its size from the heap, where small
ones that live longer keep the freed pages of a burst forever, unless malloc_trim(3) returns them.
It does not return the top of an arena other than the first, up to the size of two large blocks for
each of a server's threads. With one arena there is none.

Training is the exception: each step frees and allocates the same hundreds of megabytes, most of
them in blocks above the largest threshold, so it returns nothing until it ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import platform

_MMAP_THRESHOLD = 32 * 2**20
"""Bytes; the maximum that glibc accepts."""
_TRIM_THRESHOLD = 128 * 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8
_TRIM_EVERY_S = 15.0

WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(_MMAP_THRESHOLD),
    "MALLOC_TRIM_THRESHOLD_": str(_TRIM_THRESHOLD),
    "MALLOC_ARENA_MAX": "1",
}
"""Settings of a new process, as environment variables; ignored without glibc."""


def keep_freed_memory() -> None:
    """Applies the settings to this process; does nothing without glibc."""
    if _is_glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)


def return_no_memory() -> None:
    """Lets this process reuse freed blocks of any size; does nothing without glibc.

    Half the time of a training step on two CPU cores were page faults.
    """
    if _is_glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def share_one_arena() -> None:
    """Lets all threads that are still to start allocate from the first arena; does nothing without
    glibc."""
    if _is_glibc():
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


async def return_freed_memory(every_s: float = _TRIM_EVERY_S) -> None:
    """Returns freed memory to the system again and again; ends at once without glibc."""
    if not _is_glibc():
        return
    libc = ctypes.CDLL(None)
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(libc.malloc_trim, 0)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
