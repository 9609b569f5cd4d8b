"""Whole runs, as a process, against a stub server with given responses."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from deepfake_serving.contracts.problems import MEDIA_TYPE, NotReady, Overloaded, Problem
from deepfake_serving.gateway.http.openapi.examples import IMAGE
from tests.unit.loadtest.conftest import USERS

pytestmark = pytest.mark.slow

Runs = Callable[..., Any]
REQUESTS = 12
Response = tuple[int, str, dict[str, Any]]


def good(_: int) -> Response:
    return 200, "application/json", IMAGE


def lie(_: int) -> Response:
    """Returns a 200 with a verdict on another image."""
    return 200, "application/json", IMAGE | {"verdict": "no_face", "faces": []}


def problem_response(problem: Problem) -> Response:
    return problem.status, MEDIA_TYPE, problem.to_dict("x")


def often(problem: Problem, one_in: int) -> Callable[[int], Response]:
    """Returns responses of which the first of every `n` is a problem."""
    return lambda n: problem_response(problem) if n % one_in == 0 else good(n)


@dataclass
class Server:
    """A server that sends `response(n)` to the n-th request, from 0."""

    response: Callable[[int], Response] = good
    keys: list[str | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    url: str = ""
    tls: Callable[[], None] = lambda: None
    """Enables TLS."""


class QuietServer(ThreadingHTTPServer):
    """Ignores clients that disconnect, as some do at the end of a run."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    stub, lock = Server(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(stub.bodies)
                stub.bodies.append(body)
                stub.keys.append(self.headers["Authorization"])
            status, content_type, document = stub.response(number)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        stub.url = f"http://127.0.0.1:{listening.server_port}"

        def tls() -> None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
            stub.url = stub.url.replace("http:", "https:")

        stub.tls = tls
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield stub
        listening.shutdown()
        thread.join()


def test_good_responses_pass_and_leave_reports(server: Server, run: Runs, tmp_path: Path):
    options = "--pause=0.02", f"--requests={REQUESTS}"
    completed = run("image-rest", server.url, *options, env={"DFK_KEY": "secret"})
    assert completed.code == 0, completed.output
    assert completed.summary["passed"]
    (row,) = completed.summary["rows"]
    assert (row["kind"], row["name"], row["failures"]) == ("POST", "/v1/images", 0)
    assert row["requests"] >= REQUESTS
    assert 0 <= len(server.bodies) - row["requests"] <= USERS
    assert len(set(server.bodies)) == len(server.bodies)
    assert set(server.keys) == {"Bearer secret"}
    assert "passed" in completed.output
    assert (tmp_path / "report.html").stat().st_size > 0
    assert "/v1/images" in (tmp_path / "locust_stats.csv").read_text()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("*.*"))
    assert b"secret" not in written


def test_a_run_with_too_few_requests_fails(server: Server, run: Runs):
    completed = run("image-rest", server.url, "--pause=60", f"--min-requests={USERS + 1}")
    assert completed.code == 1, completed.output
    sent = f"{completed.summary['rows'][0]['requests']} successful requests"
    assert completed.summary["reasons"] == [f"ImageRest: {sent}, fewer than {USERS + 1}"]


def test_no_key_is_sent_without_one(server: Server, run: Runs):
    assert run("image-rest", server.url, "--pause=0.2").code == 0
    assert set(server.keys) == {None}


def test_a_200_with_a_wrong_body_fails(server: Server, run: Runs):
    server.response = lie
    completed = run("image-rest", server.url)
    assert completed.code == 1, completed.output
    assert completed.summary["rows"][0]["failures"] == completed.summary["rows"][0]["requests"] > 0
    assert "FAILED" in completed.output
    assert list(completed.summary["failures"]) == ["POST /v1/images: faces: 0, not 1"]


def test_a_problem_fails_by_its_title(server: Server, run: Runs):
    server.response = often(NotReady("starting"), 5)
    completed = run("image-rest", server.url, "--pause=0.05")
    assert completed.code == 1, completed.output
    assert list(completed.summary["failures"]) == ["POST /v1/images: 503 Not ready"]


def test_failures_within_the_ratio_pass(server: Server, run: Runs):
    server.response = often(NotReady("starting"), 5)
    completed = run("image-rest", server.url, "--pause=0.05", "--max-failure-ratio=0.9")
    assert completed.code == 0, completed.output
    assert completed.summary["rows"][0]["failures"] > 0


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--allow-refused"], 0)])
def test_refusals_are_counted_apart_and_fail_unless_allowed(
    server: Server, run: Runs, options: list[str], code: int
):
    server.response = often(Overloaded("the queue is full"), 5)
    completed = run("image-rest", server.url, "--pause=0.05", *options)
    assert completed.code == code, completed.output
    kinds = {row["kind"]: row["failures"] for row in completed.summary["rows"]}
    assert kinds["POST"] == 0
    assert (kinds["POST refused"] > 0) is bool(code)
    assert completed.summary["refused"] > 0


def test_a_run_with_only_refusals_fails_even_if_they_are_allowed(server: Server, run: Runs):
    server.response = lambda _: problem_response(Overloaded("the queue is full"))
    completed = run("image-rest", server.url, "--allow-refused")
    assert completed.code == 1, completed.output
    assert completed.summary["reasons"] == ["ImageRest: 0 successful requests, fewer than 1"]


def test_responses_slower_than_the_limit_fail(server: Server, run: Runs):
    completed = run("image-rest", server.url, "--pause=0.1", "--max-p95-ms=0.001")
    assert completed.code == 1, completed.output
    (reason,) = completed.summary["reasons"]
    assert reason.startswith("POST /v1/images: p95 is ")


def test_an_unreachable_server_fails(run: Runs):
    completed = run("image-rest", "http://127.0.0.1:9")
    assert completed.code == 1, completed.output
    (failure,) = completed.summary["failures"]
    assert failure.startswith("POST /v1/images: no response: ")


def test_a_wrong_option_is_reported_before_any_request(server: Server, run: Runs):
    completed = run("image-rest", server.url, "--shape=spike", "--base=2")
    assert (completed.code, server.bodies) == (2, [])
    assert "the peak of a spike must be at least" in completed.output


@pytest.mark.parametrize("known", [True, False])
def test_certificates_are_verified_against_a_private_authority(
    server: Server, run: Runs, authority: trustme.CA, tmp_path: Path, known: bool
):
    server.tls()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    env = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if known else {}
    completed = run("image-rest", server.url, "--pause=0.05", env=env)
    assert completed.code == (0 if known else 1), completed.output
    assert bool(server.bodies) is known
