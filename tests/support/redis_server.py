"""Which server stands for Redis where a test needs a real one."""

from __future__ import annotations

import os
import shutil

import pytest


def redis_program() -> str:
    """`redis-server`, or what REDIS_SERVER names, such as `valkey-server`.

    The test is skipped where there is none, or fails where REQUIRE_REDIS is set.
    """
    name = os.environ.get("REDIS_SERVER", "redis-server")
    found = shutil.which(name)
    if found is None and os.environ.get("REQUIRE_REDIS"):
        pytest.fail(f"{name} is not installed")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
