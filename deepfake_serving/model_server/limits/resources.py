"""CPUs of the container, by its quota and not the host's cores, and its lack of memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 2**60
"""About what v1 shows as the limit where there is none; v2 shows `max`."""


def available_cpus(root: Path = _CGROUP) -> int:
    """Returns whole CPUs: the smaller of affinity mask and cgroup quota (v2 or v1), at least 1."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _quota_v2(root) or _quota_v1(root)
    return max(1, min(cores, int(quota)) if quota else cores)


def oom_kills(root: Path = _CGROUP) -> int | None:
    """Returns how many of the container's processes the kernel has killed for want of memory; None
    if it does not say, or outside of a container with a limit (v2 or v1)."""
    for events, limit in (
        (root / "memory.events", root / "memory.max"),
        (root / "memory" / "memory.oom_control", root / "memory" / "memory.limit_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            if int(limit.read_text()) < _UNLIMITED:
                counts = dict(line.split() for line in events.read_text().splitlines())
                return int(counts["oom_kill"]) if "oom_kill" in counts else None
    return None


def _quota_v2(root: Path) -> float | None:
    """Reads `cpu.max`, which holds "quota period" in µs, or "max period"."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(root: Path) -> float | None:
    """Reads `cpu.cfs_quota_us`, which is -1 without a limit."""
    try:
        quota = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((root / "cpu" / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
