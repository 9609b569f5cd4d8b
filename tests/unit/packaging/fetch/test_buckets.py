"""Fetching from buckets: S3 by moto.

The https server simulates Google Cloud Storage, with only GET /bucket/key.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
import requests
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from deepfake_serving.packaging.fetch import (
    SourceUnreachable,
    fetch,
)
from tests.unit.packaging.fetch.material import BODY, DIGEST, unchanged


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Starts moto's S3 with an empty bucket, and sets the AWS variables."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{endpoint}/models", timeout=60).raise_for_status()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ALLOW_HTTP", "true")
        yield endpoint
    server.stop()


@pytest.mark.parametrize("key", ["a.mar", "v1/ü #?%20.mar"])
def test_an_object_is_fetched_from_s3(s3: str, target: Path, key: str) -> None:
    obstore.put(S3Store("models"), key, BODY)
    fetch(f"s3://models/{key}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("source", ["s3://models/nothing", "s3://nobody/a.mar", "s3://models/a//b"])
def test_failures_of_s3_are_reported(s3: str, target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match=source):
        fetch(source, target, DIGEST)


def test_s3_over_plain_http_must_be_enabled(
    s3: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore.put(S3Store("models"), "a.mar", BODY)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="AWS_ALLOW_HTTP"):
        fetch("s3://models/a.mar", target, DIGEST)


def test_an_object_is_fetched_from_gcs(
    files: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses no credentials: Google's authentication is part of obstore and is not tested here."""
    monkeypatch.setenv("GOOGLE_BASE_URL", files)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="404"):
        fetch("gs://models/nothing", target, DIGEST)
    fetch("gs://models/a.mar", target, DIGEST)
    assert target.read_bytes() == BODY
