"""Temporary folders with a lock; the next process deletes those of killed ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_MIN_AGE_S = 60.0
"""Age below which a folder may not be locked yet."""


@contextlib.contextmanager
def workspace(prefix: str) -> Iterator[Path]:
    """Creates a folder, which is deleted when the block ends, and locks it until then.

    The lock ends with the process, however it ends, also in another container (flock(2)).
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(folder)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def tidy_workspace(prefix: str) -> Iterator[Path]:
    """Creates a folder as `workspace` does, once those of killed processes are deleted."""
    delete_abandoned(prefix)
    with workspace(prefix) as folder:
        yield folder


def delete_abandoned(prefix: str) -> int:
    """Deletes the folders with a prefix that no process has locked, and returns how many."""
    deleted = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # of another user, or just deleted
            if not folder.is_symlink() and _is_abandoned(folder):
                shutil.rmtree(folder)
                deleted += 1
    return deleted


def _is_abandoned(folder: Path) -> bool:
    if time.time() - folder.stat().st_mtime < _MIN_AGE_S:
        return False
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
