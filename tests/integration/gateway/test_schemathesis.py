"""Requests of every kind that the OpenAPI document describes or forbids, by schemathesis.

It checks statuses, media types, headers, schemas, refused methods and refused keys, and follows
links from responses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from deepfake_serving.gateway.auth.keys import generate
from tests.support.openapi.run import schemathesis
from tests.support.paths import ROOT
from tests.support.running import RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

DOCUMENT = ROOT / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def keyed(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningGateway, str]]:
    folder = tmp_path_factory.mktemp("keyed")
    key, entry = generate("all", ["images", "videos", "jobs", "models", "infer", "admin"])
    (folder / "keys.yaml").write_text(entry)
    pool = {"name": "pool-0", "url": server.url, "grpc_port": server.ports["grpc"]}
    routing = json.dumps({"pools": [pool]})
    with RunningGateway.start(folder, routing=routing, keys_file=folder / "keys.yaml") as gateway:
        yield gateway, key


@pytest.mark.usefixtures("no_defects")
def test_a_gateway_without_keys_follows_its_document(gateway: RunningGateway) -> None:
    completed = schemathesis(gateway.url, DOCUMENT)
    assert completed.returncode == 0, completed.stdout


def test_a_gateway_with_keys_follows_its_own_document(keyed: tuple[RunningGateway, str]) -> None:
    gateway, key = keyed
    completed = schemathesis(gateway.url, f"{gateway.url}/openapi.json", key=key)
    assert completed.returncode == 0, completed.stdout
    assert gateway.events("defect") == []


def test_requests_without_a_key_are_refused_as_documented(
    keyed: tuple[RunningGateway, str],
) -> None:
    gateway, _ = keyed
    completed = schemathesis(gateway.url, f"{gateway.url}/openapi.json", examples=2)
    assert completed.returncode == 0, completed.stdout
