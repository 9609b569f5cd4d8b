"""The Redis server of tests that need a real one."""

from __future__ import annotations

import os
import shutil

import pytest


def redis_program() -> str:
    """Returns `redis-server`, or the program in REDIS_SERVER, such as `valkey-server`.

    Without it the test is skipped, or fails if REQUIRE_REDIS is set.
    """
    name = os.environ.get("REDIS_SERVER", "redis-server")
    found = shutil.which(name)
    if found is None and os.environ.get("REQUIRE_REDIS"):
        pytest.fail(f"{name} is not installed")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
