"""The rights that the chart gives gateways and workers in Redis. Other tests run with them, too."""

from __future__ import annotations

import re
import shlex

import pytest
import redis

from tests.support.paths import ROOT
from tests.support.redis_replicas import CLUSTER_RIGHTS, SENTINEL_RIGHTS
from tests.support.redis_server import RedisServer, client_rights


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG SET dir /tmp",
        "REPLICAOF 203.0.113.1 6379",
        "FLUSHALL",
        "SHUTDOWN",
        "KEYS *",
        "MONITOR",
        "ACL SETUSER default +@all",
        "SUBSCRIBE any",
        "GET other",
    ],
)
def test_clients_can_use_the_job_store_only(redis_server: RedisServer, command: str) -> None:
    with (
        redis.Redis.from_url(redis_server.url) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


@pytest.mark.parametrize("rights", [client_rights(), CLUSTER_RIGHTS, SENTINEL_RIGHTS])
def test_the_documentation_names_the_rights(rights: str) -> None:
    assert rights in (ROOT / "docs/jobs.md").read_text()


def test_the_commands_of_the_runbooks_are_allowed(redis_server: RedisServer) -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs/runbooks").glob("*.md"))
    commands = set(re.findall(r"\bredis ((?:info|slowlog|ping|llen|zcard)\b[^;|`\n]*)", text))
    assert len(commands) >= 6
    with redis.Redis.from_url(redis_server.url) as client:
        for command in commands:
            client.execute_command(*shlex.split(command.partition("#")[0]))
