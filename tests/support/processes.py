"""Running processes, seen from outside."""

from __future__ import annotations

import psutil


def command(process: psutil.Process) -> list[str]:
    """A process's arguments; none of one that has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
