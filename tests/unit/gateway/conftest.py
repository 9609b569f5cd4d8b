"""Stores that processes can share: of jobs, a SQLite file and a Redis that syncs every write; of
objects, a folder and S3 (a real endpoint of its protocol, by moto)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from deepfake_serving.gateway.storage.objects import Objects
from tests.support.redis_server import RedisServer, redis_program


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


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_variables(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The usual variables, and a bucket."""
    variables = {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    import boto3

    client = boto3.client("s3", endpoint_url=s3)
    if not any(b["Name"] == "media" for b in client.list_buckets()["Buckets"]):
        client.create_bucket(Bucket="media")
    return "s3://media/deepfake"


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "folder":
        return Objects.open(f"file://{tmp_path}/objects")
    return Objects.open(request.getfixturevalue("s3_variables") + f"/{tmp_path.name}")
