"""The Redis server of tests that need a real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import redis

from tests.support.paths import ROOT


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


def client_rights() -> str:
    """Returns the rules of access control for gateways and workers, from the chart."""
    template = ROOT / "k8s/helm/deepfake-serving/templates/redis/_acl.tpl"
    return next(line for line in template.read_text().splitlines() if "~{deepfake}:*" in line)


def user_options() -> list[str]:
    """Returns arguments of a server whose clients have the rights of gateways and workers, and
    whose user `admin` has all; neither needs a password."""
    rights = {"default": client_rights(), "admin": "~* &* +@all"}
    return [
        word
        for name, rules in rights.items()
        for word in ("--user", name, "on", "nopass", *rules.split())
    ]


def as_admin(url: str) -> redis.Redis:
    """Opens a client with all rights of a server with these users."""
    return redis.Redis.from_url(url, username="admin", password="any")  # noqa: S106


class RedisServer:
    """A separate Redis server, on a socket in a folder."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.socket = program, folder, folder / "redis.sock"
        self.url = f"unix://{self.socket}"

    def start(self) -> None:
        """Starts it with the rights that the chart gives clients, and an `admin` with all."""
        options = ["--port", "0", "--unixsocket", self.socket, "--dir", self.folder]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen(
            [self.program, *options, *durable, *user_options()], stdout=subprocess.DEVNULL
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
