"""Information about running processes."""

from __future__ import annotations

import psutil


def command(process: psutil.Process) -> list[str]:
    """Returns a process's arguments; empty if it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
