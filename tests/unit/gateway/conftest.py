"""Job stores that processes can share: a SQLite file, and a Redis that syncs every write."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.redis_server import redis_program


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


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(redis_program(), tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns a URL for `open_store`, in this process and in others."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.sqlite"
    url: str = request.getfixturevalue("redis_server").url
    return url
