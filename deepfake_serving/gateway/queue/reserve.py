"""Disk space set aside for deletions and cancellations: SQLite appends to a log even for these."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_BYTES = 256 * 1024


class DiskReserve:
    """A file beside the database that is deleted when the disk is full, and then written again."""

    def __init__(self, database: str) -> None:
        self._path = Path(f"{database}-reserve")

    def release(self) -> None:
        """Frees the space."""
        self._path.unlink(missing_ok=True)

    def restore(self) -> None:
        """Takes the space again; it stays free while the disk has no more."""
        if self._path.exists():
            return
        try:
            with self._path.open("xb") as file:
                file.write(os.urandom(_BYTES))  # file systems may compress zeros
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
