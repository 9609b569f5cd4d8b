"""The client of a gateway, against a stub that responds as gateways, proxies and other sites do.

A real gateway ends its streams only when it is replaced, and never sends other documents.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.cli import gateway_client
from deepfake_serving.cli.gateway_client import GatewayClient
from deepfake_serving.cli.results import print_image_table
from deepfake_serving.contracts.problems import (
    InvalidRequest,
    NotFound,
    Overloaded,
    Problem,
    QuotaExceeded,
    Unauthorized,
)
from tests.unit.packaging.fetch.servers import Handler, serving

Response = tuple[int, bytes]
"""A status and a body, which is cut short where it ends with `CUT`."""

CUT = b"CUT"


class Site:
    """Responds to one request after another; the last response is repeated."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.names: list[str | None] = []
        self.paths: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = (
                    site.responses.pop(0) if len(site.responses) > 1 else site.responses[0]
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.removesuffix(CUT))

            def do_POST(self) -> None:
                site.paths.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                site.names.append(self.headers["X-Filename"])
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(gateway_client, "_PAUSE_S", 0.0)
    site = Site()
    yield site
    site.close()


def event(state: str) -> bytes:
    progress = {"stage": state, "percent": None}
    job = {"state": state, "kind": "video", "progress": progress, "problem": None, "result": None}
    return b": heartbeat\n\nid: 1\ndata: " + json.dumps(job).encode() + b"\n\n"


def states(client: GatewayClient) -> list[str]:
    return [job["state"] for job in client.watch("a")]


def test_a_job_is_watched_on_when_its_gateway_is_replaced(site: Site) -> None:
    unready = json.dumps({"type": "about:blank", "detail": "starting"}).encode()
    site.responses = [
        (200, event("queued")),
        (200, event("running") + CUT),
        (502, b"<html>Bad Gateway"),
        (503, unready),
        (200, event("running") + event("failed")),
    ]
    client = GatewayClient(site.url)
    assert states(client) == ["queued", "running", "failed"]


def test_a_gateway_that_does_not_come_back_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_client, "_RECONNECT_S", 0.0)
    site.responses = [(200, event("running")), (502, b"")]
    with pytest.raises(Problem, match="responded with status 502"):
        states(GatewayClient(site.url))


def test_a_job_that_is_gone_ends_the_watch(site: Site) -> None:
    gone = json.dumps(NotFound("there is no such job").to_dict()).encode()
    site.responses = [(200, event("running")), (404, gone)]
    with pytest.raises(NotFound, match="there is no such job"):
        states(GatewayClient(site.url))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"data: hello\n\n", b"data: [1]\n\n", b'data: {"state": "running"}\n\n'],
)
def test_a_site_that_is_no_gateway_is_named(site: Site, body: bytes) -> None:
    site.responses = [(200, body)]
    with pytest.raises(Problem, match=f"{site.url} does not respond as a gateway does"):
        states(GatewayClient(site.url))


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b'{"error": "x"}'])
@pytest.mark.parametrize("path", ["/v1/videos", "/v1/models"])
def test_a_response_of_another_kind_is_no_traceback(
    site: Site, tmp_path: Path, body: bytes, path: str
) -> None:
    def call() -> Any:
        client = GatewayClient(site.url)
        return client.models() if path == "/v1/models" else client.submit(str(film), {}, None)

    film = tmp_path / "film.mp4"
    film.write_bytes(b"x")
    site.responses = [(200, body)]
    with pytest.raises(Problem, match="does not respond as a gateway does"):
        call()
    site.responses = [(418, body)]
    with pytest.raises(Problem, match="responded with status 418"):
        call()


def test_a_file_name_is_sent_as_its_bytes(site: Site, tmp_path: Path) -> None:
    site.responses = [(202, b'{"id": "a"}')]
    for name in (b"caf\xe9.mp4", "é.mp4".encode()):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(b"x")
        result = CliRunner().invoke(cli.app, ["submit", os.fsdecode(path), "--server", site.url])
        assert (result.exit_code, result.stdout) == (0, "a\n")
    assert site.names == ["caf%E9.mp4", "%C3%A9.mp4"]


@pytest.mark.parametrize("value", ["ключ", "a\nb", "é"])
def test_a_header_that_cannot_be_sent_is_named(site: Site, value: str) -> None:
    with pytest.raises(InvalidRequest, match="the API key has a character"):
        GatewayClient(site.url, value)
    with pytest.raises(InvalidRequest, match="the idempotency key has a character"):
        GatewayClient(site.url).submit("http://x/a.mp4", {}, value)


@pytest.mark.parametrize(
    "server", ["http://", "http://.a", "http://a:b", "http://[::1", f"http://{'a' * 80}.de"]
)
def test_a_server_that_is_no_url_is_named(server: str) -> None:
    with pytest.raises(InvalidRequest, match="not the URL of a server"):
        GatewayClient(server).models()


def test_a_dash_submits_stdin(site: Site, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    site.responses = [(202, b'{"id": "7", "state": "queued"}')]
    command = [sys.executable, "-m", "deepfake_serving", "submit", "-", "--server", site.url]
    with film.open("rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=True)
    assert done.stdout == b"7\n"
    assert site.names == ["stdin"]


def test_the_options_of_a_submission_are_those_of_the_gateway(site: Site, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    site.responses = [(202, b'{"id": "7", "state": "queued"}')]
    given = ["--model", "ensemble", "--no-shots", "--webhook", "https://example.com/hook"]
    result = CliRunner().invoke(cli.app, ["submit", str(film), "--server", site.url, *given])
    assert result.exit_code == 0, result.output
    assert parse_qs(urlsplit(site.paths[0]).query) == {
        "model": ["ensemble"],
        "shots": ["false"],
        "webhook": ["https://example.com/hook"],
    }


def test_a_submission_that_waits_names_its_job_first(site: Site, tmp_path: Path) -> None:
    """So that it can be watched again after Ctrl-C."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    job = {"id": "7", "kind": "video", "state": "cancelled", "problem": None, "result": None}
    job["progress"] = {"stage": "done", "percent": None}
    site.responses = [(202, b'{"id": "7"}'), (200, f"data: {json.dumps(job)}\n\n".encode())]
    result = CliRunner().invoke(cli.app, ["submit", str(film), "--server", site.url, "--wait"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == ["job 7", "cancelled"]


VERDICT = json.dumps(
    {
        "id": "1",
        "verdict": "no_face",
        "fake_probability": None,
        "faces": [],
        "model": {"trained": 1},
    }
).encode()


def refusal(problem: Problem) -> Response:
    return problem.status, json.dumps(problem.to_dict()).encode()


def test_an_image_is_sent_again_where_the_gateway_asks_for_that(site: Site, tmp_path: Path) -> None:
    image = tmp_path / "a.jpg"
    image.write_bytes(b"image")
    site.responses = [refusal(Overloaded("full", retry_after_s=0))] * 2 + [(200, VERDICT)]
    assert GatewayClient(site.url).detect(str(image), {})["verdict"] == "no_face"
    assert site.names == ["a.jpg"] * 3
    site.responses = [refusal(QuotaExceeded("tomorrow", retry_after_s=3600))]
    with pytest.raises(QuotaExceeded):
        GatewayClient(site.url).detect(str(image), {})


def test_images_before_an_error_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def documents() -> Iterator[dict[str, Any]]:
        yield {"file": "a.jpg", **json.loads(VERDICT)}
        raise Unauthorized("unknown key")

    with pytest.raises(Unauthorized):
        print_image_table(documents())
    assert capsys.readouterr().out.splitlines()[1].split() == ["a.jpg", "no_face", "0"]


def test_a_row_names_the_faces_that_are_worse_than_their_image(
    capsys: pytest.CaptureFixture[str],
) -> None:
    faces = [{"verdict": verdict} for verdict in ("real", "fake", "suspicious")]
    model = {"trained": True}
    mixed_faces = {"file": "a.jpg", "verdict": "real", "fake_probability": 0.35, "model": model}
    print_image_table([mixed_faces | {"faces": faces}, mixed_faces | {"faces": faces[:1]}])
    mixed, plain = capsys.readouterr().out.splitlines()[1:]
    assert "fake by itself: 1 of 3 faces" in mixed
    assert plain.split() == ["a.jpg", "real", "0.350", "1"]


def test_jobs_are_listed_over_pages(site: Site) -> None:
    first, last = ({"jobs": [{"id": n}] * 200, "next": n} for n in ("cursor", None))
    site.responses = [(200, json.dumps(page).encode()) for page in (first, first, last)]
    assert len(list(GatewayClient(site.url).jobs({}, 1000))) == 600
    site.responses = [(200, json.dumps(first).encode())]
    assert len(list(GatewayClient(site.url).jobs({}, 400))) == 400


class Models(Handler):
    """Responds with a list of models."""

    def do_GET(self) -> None:  # noqa: N802
        self.respond(200, b'{"models": []}')


def test_the_authorities_of_ssl_cert_file_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A gateway inside a company has a certificate of the company."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # those of requests win
        monkeypatch.delenv(variable, raising=False)
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    with serving(Models, authority) as host:
        with pytest.raises(Problem, match="SSL_CERT_FILE names trusted authorities"):
            GatewayClient(f"https://{host}").models()
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        assert GatewayClient(f"https://{host}").models() == []
