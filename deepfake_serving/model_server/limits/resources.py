"""CPUs of the container, by its quota and not the host's cores, and its lack of memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def available_cpus(root: Path = _CGROUP) -> int:
    """Returns whole CPUs: the smaller of affinity mask and cgroup quota (v2 or v1), at least 1."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _quota_v2(root) or _quota_v1(root)
    return max(1, min(cores, int(quota)) if quota else cores)


def oom_kills(root: Path = _CGROUP) -> int | None:
    """Returns how many of the container's processes the kernel has killed for want of memory; None
    if it does not say (v2 or v1)."""
    for file in (root / "memory.events", root / "memory" / "memory.oom_control"):
        with suppress(OSError):
            counts = dict(line.split() for line in file.read_text().splitlines())
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
