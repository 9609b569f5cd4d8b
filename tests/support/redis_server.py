"""The Redis server of tests that need a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import redis


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


class RedisServer:
    """A separate Redis server, on a socket in a folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.socket = program, folder, folder / "redis.sock"
        self.url = f"unix://{self.socket}"

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", self.socket, "--dir", self.folder]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen(
            [self.program, *options, *durable], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with redis.Redis(unix_socket_path=str(self.socket)) as client:
                    client.ping()
                    return
            except redis.RedisError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
