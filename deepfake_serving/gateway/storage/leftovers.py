"""Leftovers of writes and deletions in a folder of objects, which no list of objects shows."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_STAGED = re.compile(r".*#\d+")
"""Names of objects that are being written; no key has the character."""


def delete_leftovers(folder: Path, before: float) -> None:
    """Deletes objects whose writer was killed, and empty folders below this one.

    Args:
        before: what has changed since, in seconds since the epoch, stays: it may be in use.
    """
    for parent, _, files in os.walk(folder, topdown=False):
        directory = Path(parent)
        for name in filter(_STAGED.fullmatch, files):
            with contextlib.suppress(OSError):
                if (directory / name).lstat().st_mtime < before:
                    (directory / name).unlink()
        with contextlib.suppress(OSError):  # not empty, or deleted by another process
            if directory != folder and directory.stat().st_mtime < before:
                directory.rmdir()
