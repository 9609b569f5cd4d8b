"""Resumable uploads of videos by tus: its own client, broken connections, keys, two gateways."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from deepfake_serving.gateway.auth.keys import generate
from tests.support.published_schema import checked_client
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = pytest.mark.integration

MAX_VIDEO = 2**20
BODY = "application/offset+octet-stream"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resumable")


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, str]:
    """Creates API keys."""
    scopes = {"one": ["videos", "jobs"], "two": ["admin"], "viewer": ["jobs"]}
    created = {name: generate(name, given) for name, given in scopes.items()}
    (folder / "keys.yaml").write_text("".join(entry for _, entry in created.values()))
    return {name: key for name, (key, _) in created.items()}


@pytest.fixture(scope="module")
def gateways(
    server: RunningServer, folder: Path, keys: dict[str, str]
) -> Iterator[list[RunningGateway]]:
    """Two gateways that share their stores, and no worker."""
    settings = {
        "keys_file": folder / "keys.yaml",
        "embedded_worker": "false",
        "max_video_bytes": MAX_VIDEO,
        "max_uploads": 12,
    }
    start = RunningGateway.start
    with (
        start(folder, server.url, **settings) as one,
        start(folder, server.url, **settings) as two,
    ):
        yield [one, two]


@pytest.fixture
def api(gateways: list[RunningGateway], keys: dict[str, str]) -> Iterator[httpx.Client]:
    headers = {"X-API-Key": keys["one"]}
    with checked_client(gateways[0].url, headers=headers, timeout=GUARD_S) as client:
        yield client


@pytest.fixture
def other(gateways: list[RunningGateway], keys: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of the second gateway, with the key of an admin."""
    headers = {"X-API-Key": keys["two"]}
    with checked_client(gateways[1].url, headers=headers, timeout=GUARD_S) as client:
        yield client


def create(api: httpx.Client, length: int, name: str = "film.mp4") -> str:
    """Creates an upload and returns its path."""
    metadata = "filename " + base64.b64encode(name.encode()).decode()
    headers = {"Upload-Length": str(length), "Upload-Metadata": metadata, "Tus-Resumable": "1.0.0"}
    response = api.post("/v1/uploads", headers=headers)
    assert response.status_code == 201, response.text
    assert response.headers["Upload-Offset"] == "0"
    return response.headers["Location"]


def append(api: httpx.Client, path: str, offset: int, data: bytes) -> httpx.Response:
    headers = {"Upload-Offset": str(offset), "Content-Type": BODY, "Tus-Resumable": "1.0.0"}
    return api.patch(path, headers=headers, content=data)


def submit(api: httpx.Client, path: str, **query: str) -> httpx.Response:
    return api.post("/v1/videos", json={"upload": path.rsplit("/", 1)[1]}, params=query)


def test_its_own_client_resumes_at_another_gateway(
    gateways: list[RunningGateway], keys: dict[str, str], api: httpx.Client, folder: Path
) -> None:
    film = folder / "my film.mp4"
    film.write_bytes(bytes(range(256)) * 1200)
    headers = {"X-API-Key": keys["one"]}
    first, second = (TusClient(f"{each.url}/v1/uploads", headers=headers) for each in gateways)
    with film.open("rb") as file:
        metadata = {"filename": film.name}
        begun = first.uploader(file_stream=file, chunk_size=100_000, metadata=metadata)
        begun.upload(stop_at=150_000)
        assert 0 < begun.offset < film.stat().st_size
        url = begun.url.replace(gateways[0].url, gateways[1].url)
        rest = second.uploader(file_stream=file, url=url, chunk_size=100_000)
        assert rest.offset == begun.offset
        rest.upload()
    response = submit(api, url)
    assert response.status_code == 202, response.text
    job = response.json()
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    assert job["source"] == {
        "name": "my film.mp4",
        "url": None,
        "bytes": film.stat().st_size,
        "digest": f"sha256:{digest}",
    }
    assert api.get(job["links"]["media"]).content == film.read_bytes()
    problem_of(api.get(f"/v1/uploads/{url.rsplit('/', 1)[1]}"), 404, "not-found")
    assert submit(api, url).json()["id"] == job["id"]
    refused = problem_of(submit(api, url, shots="false"), 409, "conflict")
    assert refused["detail"] == "the upload became a job with other options"


def test_bytes_before_a_broken_connection_are_kept(
    gateways: list[RunningGateway], keys: dict[str, str], api: httpx.Client, folder: Path
) -> None:
    data = bytes(range(200)) * 1000
    path = create(api, len(data))
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {keys['one']}\r\n"
        f"Content-Type: {BODY}\r\nUpload-Offset: 0\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateways[0].ports["http"]), GUARD_S) as connection:
        connection.sendall(head.encode() + data[:70_000])

    def offset() -> int:
        response = api.head(path)
        assert response.headers["Upload-Length"] == str(len(data))
        assert response.headers["Cache-Control"] == "no-store"
        return int(response.headers["Upload-Offset"])

    gateways[0].wait_until(lambda: offset() > 0, 60, "stored")
    kept = offset()
    assert kept <= 70_000
    assert append(api, path, kept, data[kept:]).headers["Upload-Offset"] == str(len(data))
    job = submit(api, path).json()
    assert api.get(job["links"]["media"]).content == data
    stored = [path for path in folder.rglob("*") if "objects" in path.parts]
    assert {oct(path.stat().st_mode & 0o077) for path in stored} == {"0o0"}


def test_an_upload_is_found_by_its_own_key_alone(api: httpx.Client, other: httpx.Client) -> None:
    path = create(api, 10)
    assert append(api, path, 0, bytes(10)).status_code == 204
    for response in (
        other.get(path),
        other.delete(path),
        append(other, path, 10, b""),
        submit(other, path),
    ):
        problem_of(response, 404, "not-found")
        assert other.head(path).status_code == 404
    assert api.delete(path).status_code == 204
    problem_of(api.get(path), 404, "not-found")
    problem_of(submit(api, path), 404, "not-found")


def test_keys_need_the_scope_of_videos(
    gateways: list[RunningGateway], keys: dict[str, str]
) -> None:
    with checked_client(
        gateways[0].url, headers={"X-API-Key": keys["viewer"]}, timeout=GUARD_S
    ) as viewer:
        problem_of(viewer.post("/v1/uploads", headers={"Upload-Length": "1"}), 403, "forbidden")
    with checked_client(gateways[0].url, timeout=GUARD_S) as anonymous:
        problem_of(anonymous.post("/v1/uploads"), 401, "unauthorized")
        response = anonymous.options("/v1/uploads")
    assert response.status_code == 204
    assert response.headers["Tus-Version"] == response.headers["Tus-Resumable"] == "1.0.0"
    assert response.headers["Tus-Max-Size"] == str(MAX_VIDEO)
    assert "creation-with-upload" in response.headers["Tus-Extension"]


def test_bad_requests_are_problems(api: httpx.Client) -> None:
    path = create(api, 10)
    assert append(api, path, 0, b"abc").headers["Upload-Offset"] == "3"
    problem_of(append(api, path, 0, b"abc"), 409, "conflict")
    problem_of(append(api, path, 11, b""), 409, "conflict")
    problem_of(append(api, path, 3, bytes(8)), 413, "too-large")
    problem_of(append(api, path, -1, b"a"), 400, "invalid-request")
    problem_of(submit(api, path), 409, "conflict")
    headers = {"Upload-Offset": "3", "Content-Type": "video/mp4"}
    problem_of(api.patch(path, headers=headers, content=b"a"), 415, "unsupported-media-type")
    problem_of(api.patch(path, headers={"Content-Type": BODY}), 400, "invalid-request")
    assert api.head(path).headers["Upload-Offset"] == "3"
    version = api.get(path, headers={"Tus-Resumable": "0.2.2"})
    problem_of(version, 412, "unsupported-version")
    assert version.headers["Tus-Version"] == "1.0.0"
    assert api.delete(path).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({}, 400, "invalid-request"),
        ({"Upload-Defer-Length": "1"}, 400, "invalid-request"),
        ({"Upload-Length": "0"}, 400, "invalid-request"),
        ({"Upload-Length": "-5"}, 400, "invalid-request"),
        ({"Upload-Length": "many"}, 400, "invalid-request"),
        ({"Upload-Length": "1" * 5000}, 400, "invalid-request"),
        ({"Upload-Length": str(MAX_VIDEO + 1)}, 413, "too-large"),
        ({"Upload-Length": "9", "Upload-Metadata": "filename ä"}, 400, "invalid-request"),
    ],
)
def test_bad_uploads_are_not_created(
    api: httpx.Client, headers: dict[str, str], status: int, slug: str
) -> None:
    raw = {name: value.encode() for name, value in headers.items()}
    problem_of(api.post("/v1/uploads", headers=raw), status, slug)


@pytest.mark.parametrize(
    "document", [{"upload": 3}, {"upload": "a", "url": "https://example.org/a.mp4"}]
)
def test_a_bad_reference_is_a_problem(api: httpx.Client, document: dict[str, object]) -> None:
    problem_of(api.post("/v1/videos", json=document), 400, "invalid-request")


def test_an_upload_may_come_with_its_first_bytes(api: httpx.Client) -> None:
    headers = {"Upload-Length": "10", "Content-Type": BODY}
    response = api.post("/v1/uploads", headers=headers, content=b"abcd")
    assert response.status_code == 201
    assert response.json()["offset"] == int(response.headers["Upload-Offset"]) == 4
    headers = {"Upload-Length": "3", "Content-Type": BODY}
    problem_of(api.post("/v1/uploads", headers=headers, content=b"abcd"), 413, "too-large")
    assert api.delete(response.headers["Location"]).status_code == 204


def test_a_key_has_a_limit_of_open_uploads(
    api: httpx.Client, other: httpx.Client, gateways: list[RunningGateway]
) -> None:
    paths = [create(api, 10) for _ in range(6)]
    refused = api.post("/v1/uploads", headers={"Upload-Length": "10"})
    problem_of(refused, 429, "overloaded")
    assert refused.headers["Retry-After"]
    other_path = create(other, 10)
    assert other.delete(other_path).status_code == 204
    for path in paths:
        assert api.delete(path).status_code == 204
    metrics = other.get("/metrics").text
    assert 'deepfake_uploads_total{event="created"}' in metrics


def test_bytes_count_as_usage_of_the_key(
    api: httpx.Client, gateways: list[RunningGateway], keys: dict[str, str]
) -> None:
    with checked_client(
        gateways[0].url, headers={"X-API-Key": keys["two"]}, timeout=GUARD_S
    ) as admin:

        def used() -> int:
            usage = admin.get("/v1/usage").json()["keys"]
            return sum(each["bytes"] for each in usage if each["key"] == "one")

        before = used()
        path = create(api, 500_000)
        assert append(api, path, 0, bytes(500_000)).status_code == 204
        gateways[0].wait_until(lambda: used() - before >= 500_000, 60, "counted")
    assert api.delete(path).status_code == 204
