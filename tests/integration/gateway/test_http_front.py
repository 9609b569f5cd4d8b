"""HTTP as load balancers, monitors and old clients speak it."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.test_jobs import ended, submit
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_defects")]

PATHS = [
    "/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/v1/info", "/v1/models",
    "/v1/jobs", "/v1/jobs/unknown", "/v2", "/v2/health/live", "/v2/health/ready",
    "/v2/models/detector", "/v2/models/detector/ready", "/v2/models/unknown", "/nothing",
    "/console/index.html", "/console/nothing",
]  # fmt: skip


def send_and_receive(gateway: RunningGateway, request: bytes) -> bytes:
    """Sends bytes and returns all that comes back until the connection closes."""
    with socket.create_connection(
        ("127.0.0.1", gateway.ports["http"]), timeout=GUARD_S
    ) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.parametrize("path", PATHS)
def test_head_returns_the_headers_of_get_without_a_body(api: httpx.Client, path: str) -> None:
    got, head = api.get(path), api.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers.get("Content-Type") == got.headers.get("Content-Type")
    if path not in ("/metrics", "/v1/jobs") and got.status_code == 200:
        assert head.headers.get("Content-Length") == got.headers.get("Content-Length")
        assert head.headers.get("ETag") == got.headers.get("ETag")


def test_head_of_media_and_events_of_a_job_ends_at_once(
    api: httpx.Client, gateway: RunningGateway, video: Path
) -> None:
    content = video.read_bytes()
    job = ended(api, submit(api, content)["id"])
    media = api.head(job["links"]["media"])
    assert (media.status_code, media.content) == (200, b"")
    assert media.headers["Content-Length"] == str(len(content))
    part = api.head(job["links"]["media"], headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["Content-Length"]) == (206, "10")
    assert api.head(job["links"]["events"]).headers["Content-Type"].startswith("text/event-stream")
    # the connection is usable afterwards: no body of another response is on it
    request = f"HEAD {job['links']['media']} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = send_and_receive(gateway, (request + last).encode())
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.endswith(b'{"live":true}')


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/images", {"POST"}),
        ("HEAD", "/v1/images", {"POST"}),
        ("PUT", "/v1/jobs/x", {"GET", "HEAD", "DELETE"}),
        ("DELETE", "/v1/jobs", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/videos", {"POST"}),
        ("PATCH", "/v2/models/detector/infer", {"POST"}),
        ("POST", "/v2/models/detector", {"GET", "HEAD"}),
        ("POST", "/console/index.html", {"GET", "HEAD"}),
        ("DELETE", "/openapi.json", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_refused_with_the_allowed_methods(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    response = api.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


def test_a_trailing_slash_is_ignored(api: httpx.Client, astronaut_jpeg: bytes) -> None:
    url = str(api.base_url).rstrip("/")
    with httpx.Client(timeout=GUARD_S) as client:  # the published paths have no such slash
        response = client.post(f"{url}/v1/images/", content=astronaut_jpeg)
        assert (response.status_code, len(response.json()["faces"])) == (200, 1)
        for path in ("/healthz/", "/v1/jobs/", "/v2/health/live/", "/docs/"):
            assert client.get(url + path, headers={"Host": "localhost:1"}).status_code == 200, path
        for path in ("/v1/nothing/", "//evil.example/", "/console"):
            problem_of(client.get(url + path), 404, "not-found")


@pytest.mark.parametrize(
    "hosts", [["localhost", "localhost"], ["localhost", "evil.example"], []], ids=str
)
@pytest.mark.parametrize("upgrade", ["", "Upgrade: websocket\r\n"])
def test_a_request_without_exactly_one_host_is_refused(
    gateway: RunningGateway, hosts: list[str], upgrade: str
) -> None:
    path = "/v1/stream" if upgrade else "/healthz"
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    if upgrade:
        upgrade += "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        upgrade += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    else:
        lines += "Connection: close\r\n"
    request = f"GET {path} HTTP/1.1\r\n{lines}{upgrade}\r\n"
    status = send_and_receive(gateway, request.encode()).split(maxsplit=2)[1]
    assert status in ((b"403", b"400") if upgrade else (b"400",))


@pytest.mark.parametrize(
    "host", ["xn--", "a..b", "xn--a.localhost", "\u00fc".encode().decode("latin-1")]
)
def test_an_invalid_host_or_origin_is_refused(api: httpx.Client, host: str) -> None:
    for headers in ({"Host": host}, {"Host": "localhost", "Origin": f"http://{host}"}):
        raw = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        problem_of(api.get("/v1/info", headers=raw), 403, "forbidden")


def test_http_1_0_requests_need_no_host(gateway: RunningGateway) -> None:
    received = send_and_receive(gateway, b"GET /v1/info HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_idle_connections_stay_open_longer_than_uvicorns_default(gateway: RunningGateway) -> None:
    """Uvicorn's own default is 5 s, that of load balancers 60 s."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(
        ("127.0.0.1", gateway.ports["http"]), timeout=GUARD_S
    ) as connection:
        for _ in range(2):
            connection.sendall(request)
            received = b""
            while not received.endswith(b'{"live":true}'):
                chunk = connection.recv(4096)
                assert chunk, "closed"
                received += chunk
            time.sleep(8)


def test_the_keep_alive_timeout_is_a_setting(tmp_path: Path) -> None:
    settings = {"keep_alive_timeout_s": 1, "embedded_worker": "false"}
    with RunningGateway.start(
        tmp_path, "http://127.0.0.1:9", wait_ready=False, **settings
    ) as gateway:
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert send_and_receive(gateway, request).startswith(b"HTTP/1.1 200")  # it is closed
        assert gateway.stop() == 0
