"""Fetching: every kind of source against a server of its protocol on loopback.

What answers is real for files, https (TLS with a private CA) and S3 (moto). Google Cloud Storage is
played by the same https server, which knows no more of it than GET /bucket/key. The OCI registry is
a stand-in too (`_StandIn`); where the `docker-registry` of Debian is on PATH, the same tests also
run against that, and with REQUIRE_DOCKER_REGISTRY=1 they fail where it isn't.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
import pytest
import requests
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from oras.provider import Registry
from rich.console import Console

from model_store import fetch as fetch_module
from model_store import oci
from model_store.content import Content
from model_store.fetch import (
    DigestMismatch,
    FetchError,
    SourceUnreachable,
    UnsupportedSource,
    fetch,
    shown_progress,
)

BODY = bytes(range(256)) * 10_000  # 2.4 MiB: several chunks
OTHER = b"another file"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


DIGEST = sha256(BODY)


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Everything in a directory: contents and modification times (ns) by name, hidden ones too."""
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir()}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A place that holds an older model and a neighbour, to see that failures leave both."""
    directory = tmp_path / "models"
    directory.mkdir()
    (directory / "neighbour.mar").write_bytes(b"neighbour")
    (directory / "a.mar").write_bytes(b"older")
    return directory / "a.mar"


@contextmanager
def unchanged(directory: Path) -> Iterator[None]:
    before = snapshot(directory)
    yield
    assert snapshot(directory) == before


# --- servers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """A private CA, and its certificate as a file for SSL_CERT_FILE."""
    authority, path = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], authority: trustme.CA | None = None
) -> Iterator[str]:
    """Serves on a free loopback port, over TLS where there is an authority; yields host:port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_asked = count()
"""Requests so far for what answers each of them differently; a test sets it back."""


class _Files(_Handler):
    """BODY at /models/a.mar, and what can go wrong at the other paths."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match unquote(url.path).split("/")[1:]:
            case ["models", "a.mar"]:
                self.answer(200, BODY, last_modified="Thu, 01 Jan 1970 00:00:00 GMT", etag='"1"')
            case ["signed"]:
                self.answer(*((200, BODY) if url.query == "key=a%2Fb&sig=x" else (403, b"denied")))
            case ["moved"]:
                self.answer(302, location="/models/a.mar")
            case ["downgraded"]:
                self.answer(302, location=f"http://{self.headers['host']}/models/a.mar")
            case ["loop"]:
                self.answer(302, location="/loop")
            case ["broken"]:
                self.answer(500)
            case ["cut", length]:
                self.answer(200, BODY[: int(length)], content_length=str(len(BODY)))
                self.close_connection = True
            case ["stalled"]:
                self.answer(200, BODY, content_length=str(len(BODY) + 1))
                self.rfile.read(1)  # until the client goes away
            case ["unstated"]:
                self.answer(200, BODY, content_length="")
                self.close_connection = True
            case ["fragile", cut, tag, skew]:
                etags = {"same": '"1"', "weak": 'W/"1"', "new": f'"{next(_asked)}"'}
                self.fragile(int(cut), etags[tag], int(skew))
            case ["busy", times]:
                busy = next(_asked) < int(times)
                self.answer(503 if busy else 200, BODY, retry_after="3600" if busy else "")
            case _:
                self.answer(404, b"no such file")

    def fragile(self, cut: int, etag: str, skew: int) -> None:
        """A range, where the file is the same, that breaks off after so many bytes."""
        asked = self.headers["Range"] if self.headers["If-Range"] == etag else None
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) + skew if asked else 0
        ranged = {"content_range": f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"} if asked else {}
        length, sent = str(len(BODY) - begin), BODY[begin : begin + cut]
        self.answer(206 if asked else 200, sent, content_length=length, etag=etag, **ranged)
        self.close_connection = True


@pytest.fixture(scope="module")
def files(authority: tuple[trustme.CA, Path]) -> Iterator[str]:
    """The https server, trusted."""
    with pytest.MonkeyPatch.context() as patch, serving(_Files, authority[0]) as host:
        patch.setenv("SSL_CERT_FILE", str(authority[1]))
        yield f"https://{host}"


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "sha256:", "SHA256:"])
def test_local_path(tmp_path: Path, target: Path, prefix: str) -> None:
    source = tmp_path / "ü %41.mar"
    source.write_bytes(BODY)
    assert fetch(str(source), target, prefix + DIGEST.upper()) == target
    assert target.read_bytes() == BODY
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert set(snapshot(target.parent)) == {"a.mar", "neighbour.mar"}


def test_file_url_into_a_new_directory(tmp_path: Path) -> None:
    (tmp_path / "ü %41.mar").write_bytes(BODY)
    target = tmp_path / "new" / "deep" / "a.mar"
    fetch((tmp_path / "ü %41.mar").as_uri(), target, DIGEST)
    assert target.read_bytes() == BODY


def test_what_is_there_already_is_not_fetched_again(target: Path) -> None:
    target.write_bytes(BODY)
    with unchanged(target.parent):
        fetch("/nowhere/a.mar", target, DIGEST, progress=lambda done, total: pytest.fail("read"))


def test_missing_source_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match=r"/nowhere/a\.mar: no such file"):
        fetch("/nowhere/a.mar", tmp_path / "new" / "a.mar", DIGEST)
    assert not list(tmp_path.iterdir())


def test_target_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        fetch("/nowhere/a.mar", tmp_path, DIGEST)


@pytest.mark.parametrize("digest", ["", "abc", DIGEST[:-1], DIGEST + "0", f"md5:{DIGEST}"])
def test_digest_is_required(target: Path, digest: str) -> None:
    with pytest.raises(FetchError, match="not a sha256"):
        fetch("/nowhere/a.mar", target, digest)


def test_wrong_digest(tmp_path: Path, target: Path) -> None:
    (tmp_path / "b.mar").write_bytes(OTHER)
    with unchanged(target.parent), pytest.raises(DigestMismatch) as caught:
        fetch(str(tmp_path / "b.mar"), target, DIGEST)
    assert (caught.value.expected, caught.value.found) == (DIGEST, sha256(OTHER))
    assert DIGEST in str(caught.value)
    assert sha256(OTHER) in str(caught.value)


@pytest.mark.parametrize("source", [
    "ftp://example.com/a.mar", "http://example.com/a.mar", "http://127.0.0.1.example.com/a.mar",
    "file://models/a.mar", "s3://bucket", "s3://no bucket/key", "gs:///key", "oci://localhost/a:1",
    "oci://repo:1", "://a.mar",
])  # fmt: skip
def test_unsupported_sources(target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(UnsupportedSource, match=source.split("?")[0]):
        fetch(source, target, DIGEST)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError, ZeroDivisionError])
def test_fault_midway_leaves_nothing(
    tmp_path: Path, target: Path, fault: type[BaseException]
) -> None:
    (tmp_path / "b.mar").write_bytes(BODY)

    def progress(done: int, total: int | None) -> None:
        if done:
            raise fault

    with unchanged(target.parent), pytest.raises(fault):
        fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)


@pytest.mark.parametrize("size", [len(BODY), None, 1])
def test_bound_holds_for_stated_unstated_and_understated_sizes(
    target: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(fetch_module, "open_source", lambda _: Content(size, iter([BODY] * 2)))
    with unchanged(target.parent), pytest.raises(FetchError, match="larger than the 1000 bytes"):
        fetch("any", target, DIGEST, max_bytes=1000)


# --- https ------------------------------------------------------------------------------------


def test_https_with_progress(files: str, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    fetch(f"{files}/models/a.mar#x", target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps == sorted(steps)
    assert steps[0] == (0, len(BODY))
    assert steps[-1] == (len(BODY), len(BODY))
    assert len(steps) > 2, "not streamed"


@pytest.mark.parametrize("path", ["moved", "signed?key=a%2Fb&sig=x"])
def test_https_follows_redirects_and_keeps_queries(files: str, target: Path, path: str) -> None:
    fetch(f"{files}/{path}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(("path", "reason"), [
    ("nothing", "404"), ("signed?sig=hidden", "403"), ("broken", "500"), ("loop", "redirects"),
    ("cut/1500000", "1500000 bytes read, 1060000 more"),
])  # fmt: skip
def test_https_failures(files: str, target: Path, path: str, reason: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable) as caught:
        fetch(f"{files}/{path}", target, DIGEST)
    assert reason in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_https_is_not_led_to_plain_http(files: str, target: Path) -> None:
    with unchanged(target.parent), pytest.raises(UnsupportedSource, match="plain http"):
        fetch(f"{files}/downgraded", target, DIGEST)


def test_https_without_a_stated_length(files: str, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    fetch(f"{files}/unstated", target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps[0] == (0, None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Requests from here on."""
    counter = count()
    monkeypatch.setattr(sys.modules[__name__], "_asked", counter)
    return counter


def test_busy_server_is_asked_again_at_once(files: str, target: Path, asked: Iterator[int]) -> None:
    """Not after the hour that it named: the test would not end."""
    fetch(f"{files}/busy/2", target, DIGEST)
    assert next(asked) == 3


def test_busy_server_is_not_asked_for_ever(files: str, target: Path, asked: Iterator[int]) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="503"):
        fetch(f"{files}/busy/9", target, DIGEST)
    assert next(asked) == 4


def test_broken_off_download_goes_on_where_it_stood(files: str, target: Path) -> None:
    """Two connections bring a chunk of 1 MiB and a piece of the next; a third one the rest."""
    steps: list[tuple[int, int | None]] = []
    source = f"{files}/fragile/1100000/same/0"
    fetch(source, target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps == [(done, len(BODY)) for done in (0, 2**20, 2**21, len(BODY))]


@pytest.mark.parametrize("path", [
    "1100000/same/1",  # another range than the one asked for
    "1100000/new/0",  # another file at each request
    "1100000/weak/0",  # a file that is only about the same
    "100000/same/0",  # nothing whole within as many connections as are made
])  # fmt: skip
def test_broken_off_download_is_not_patched_up(files: str, target: Path, path: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="broken"):
        fetch(f"{files}/fragile/{path}", target, DIGEST)


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, len(BODY) - 1), older=st.none() | st.binary(max_size=9))
def test_interrupted_download_leaves_the_directory_as_it_was(
    files: str, tmp_path_factory: pytest.TempPathFactory, cut: int, older: bytes | None
) -> None:
    target = tmp_path_factory.mktemp("models") / "a.mar"
    if older is not None:
        target.write_bytes(older)
    with unchanged(target.parent), pytest.raises(SourceUnreachable):
        fetch(f"{files}/cut/{cut}", target, DIGEST)


_FETCHING = """
import signal, sys
from pathlib import Path
from model_store.fetch import fetch
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored below a shell's background
fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3], progress=lambda *_: print("here", flush=True))
"""


@pytest.mark.parametrize("scheme", ["https", "oci"])
def test_ctrl_c_need_not_wait_for_a_stalled_server(
    files: str, tmp_path: Path, target: Path, scheme: str
) -> None:
    """In a process of its own, as Ctrl-C meets one."""
    with serving(_Files) as plain, serving(stand_in(blobs_at=f"http://{plain}/stalled")) as host:
        push(host, tmp_path)
        source = f"{files}/stalled" if scheme == "https" else f"oci://{host}/team/one:1"
        command = [sys.executable, "-c", _FETCHING, source, str(target), DIGEST]
        with (
            unchanged(target.parent),
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as fetching,
        ):
            assert fetching.stdout is not None
            assert fetching.stdout.readline() == b"here\n"
            fetching.send_signal(signal.SIGINT)
            _, said = fetching.communicate(timeout=10)
            assert fetching.returncode == -signal.SIGINT
            assert said.rstrip().endswith(b"KeyboardInterrupt")


def test_unknown_certificate_is_refused(
    files: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="SSL_CERT_FILE"):
        fetch(f"{files}/models/a.mar", target, DIGEST)


def test_plain_http_on_loopback(target: Path) -> None:
    with serving(_Files) as host:
        fetch(f"http://{host}/models/a.mar", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("source", ["http://{}/a.mar", "https://u:hidden@{}/a", "oci://{}/a:1"])
def test_connection_refused(target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="refused") as caught:
        fetch(source.format(f"127.0.0.1:{free_port()}"), target, DIGEST)
    assert "hidden" not in str(caught.value)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


# --- buckets ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """moto's S3 with an empty bucket, and the AWS variables that lead there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{endpoint}/models", timeout=10).raise_for_status()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_ALLOW_HTTP", "true")
        yield endpoint
    server.stop()


@pytest.mark.parametrize("key", ["a.mar", "v1/ü #?%20.mar"])
def test_s3(s3: str, target: Path, key: str) -> None:
    obstore.put(S3Store("models"), key, BODY)
    fetch(f"s3://models/{key}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("source", ["s3://models/nothing", "s3://nobody/a.mar", "s3://models/a//b"])
def test_s3_failures(s3: str, target: Path, source: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match=source):
        fetch(source, target, DIGEST)


def test_s3_over_plain_http_has_to_be_asked_for(
    s3: str, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore.put(S3Store("models"), "a.mar", BODY)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="AWS_ALLOW_HTTP"):
        fetch("s3://models/a.mar", target, DIGEST)


def test_gcs(files: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials: signing in to Google is obstore's, and is not tested here."""
    monkeypatch.setenv("GOOGLE_BASE_URL", files)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match="404"):
        fetch("gs://models/nothing", target, DIGEST)
    fetch("gs://models/a.mar", target, DIGEST)
    assert target.read_bytes() == BODY


# --- OCI registries ---------------------------------------------------------------------------

ACCOUNT = ("reader", "open sesame")
BASIC = base64.b64encode(":".join(ACCOUNT).encode()).decode()
HTPASSWD = f"{ACCOUNT[0]}:$2b$04$0nX2OBfC2lC2IEh2fFnqHuqE.EakAlk03FaKn4jF.xVhhS2xwk8au\n"


def stand_in(password: bool = False, blobs_at: str = "") -> type[BaseHTTPRequestHandler]:
    """A stand-in for a real registry: what oras-py needs of it to push and pull."""

    class _StandIn(_Handler):
        stored: dict[str, tuple[str, bytes]] = {}  # noqa: RUF012 - one for all requests

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if password and self.headers["Authorization"] != f"Basic {BASIC}":
                self.answer(401, www_authenticate='Basic realm="stand-in"')
            elif blobs_at and self.command == "GET" and "/blobs/" in path:
                self.answer(307, location=blobs_at)
            elif path in self.stored:
                kind, body = self.stored[path]
                self.answer(200, body, content_type=kind)
            else:
                self.answer(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            if password and self.headers["Authorization"] != f"Basic {BASIC}":
                self.answer(401, www_authenticate='Basic realm="stand-in"')
            else:
                self.answer(202, location=self.path)

        def do_PUT(self) -> None:
            body, url = self.rfile.read(int(self.headers["Content-Length"])), urlsplit(self.path)
            digest = parse_qs(url.query).get("digest", [f"sha256:{sha256(body)}"])[0]
            folder = url.path.removesuffix("uploads/").rpartition("/")[0]
            for path in {url.path, f"{folder}/{digest}"}:
                self.stored[path] = self.headers["Content-Type"], body
            self.answer(201)

    return _StandIn


@contextmanager
def docker_registry(folder: Path, password: bool) -> Iterator[str]:
    """The registry of Debian's package docker-registry (CNCF distribution), storing in `folder`."""
    program = shutil.which("docker-registry")
    assert program, "REQUIRE_DOCKER_REGISTRY is set, but docker-registry is not on PATH"
    (folder / "htpasswd").write_text(HTPASSWD)
    host = f"localhost:{free_port()}"
    config = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    if password:
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))
    with subprocess.Popen([program, "serve", str(folder / "config.yml")]) as process:
        try:
            wait_for(lambda: requests.get(f"http://{host}/v2/", timeout=5).status_code < 500)
            yield host
        finally:
            process.terminate()


def wait_for(ready: Callable[[], bool], limit_s: float = 15) -> None:
    deadline = time.monotonic() + limit_s
    while True:
        try:
            assert ready()
        except (AssertionError, OSError):
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.05)
        else:
            return


def registries() -> list[tuple[str, bool]]:
    """What to test against: the kind of registry, and whether it asks for a password."""
    required = os.environ.get("REQUIRE_DOCKER_REGISTRY") == "1"
    real = ["docker-registry"] if required or shutil.which("docker-registry") else []
    return [(kind, password) for kind in ["stand-in", *real] for password in (False, True)]


@dataclass(frozen=True)
class Artifact:
    """A registry that holds BODY alone as `one:1`, and BODY beside OTHER as `two:1`."""

    host: str
    one: str


@pytest.fixture(scope="module", params=registries(), ids=str)
def artifact(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Artifact]:
    kind, password = request.param
    folder = tmp_path_factory.mktemp("registry")
    served = (
        docker_registry(folder, password) if kind != "stand-in" else serving(stand_in(password))
    )
    with served as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        (folder / ".docker").mkdir()
        auths = {host: {"auth": BASIC}} if password else {}
        (folder / ".docker/config.json").write_text(json.dumps({"auths": auths}))
        yield Artifact(host, push(host, folder, "basic" if password else "token"))


def push(host: str, folder: Path, auth: str = "token", trust: str | None = None) -> str:
    """Pushes both artifacts with oras-py; returns the digest of the manifest of `one:1`."""
    (folder / "a.mar").write_bytes(BODY)
    (folder / "b.mar").write_bytes(OTHER)
    registry = Registry(insecure=trust is None, tls_verify=trust or True, auth_backend=auth)
    for name, parts in {"one:1": ["a.mar"], "two:1": ["b.mar", "a.mar"]}.items():
        paths = [f"{folder / part}:application/octet-stream" for part in parts]
        registry.push(f"{host}/team/{name}", files=paths, disable_path_validation=True, quiet=True)
    manifest = registry.get_manifest(f"{host}/team/one:1")
    raw = registry.do_request(
        f"{registry.prefix}://{host}/v2/team/one/manifests/1",
        headers={"Accept": manifest["mediaType"]} if "mediaType" in manifest else {},
    )
    return "sha256:" + sha256(raw.content)


def test_oci(artifact: Artifact, target: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    source = f"oci://{artifact.host}/team/one:1"
    fetch(source, target, DIGEST, progress=lambda *step: steps.append(step))
    assert target.read_bytes() == BODY
    assert steps[-1] == (len(BODY), len(BODY))
    assert len(steps) > 2, "not streamed"


@pytest.mark.parametrize("reference", ["one@{}", "one:1@{}", "one@{}#a.mar", "two:1#a.mar"])
def test_oci_by_digest_and_by_name(artifact: Artifact, target: Path, reference: str) -> None:
    fetch(f"oci://{artifact.host}/team/{reference.format(artifact.one)}", target, DIGEST)
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(("reference", "reason"), [
    ("one:9", "Not Found"), ("none:1", "Not Found"), ("one:1#c.mar", r"\['a.mar'\]"),
    ("two:1", r"choose one with #name from \['a.mar', 'b.mar'\]"),
])  # fmt: skip
def test_oci_failures(artifact: Artifact, target: Path, reference: str, reason: str) -> None:
    with unchanged(target.parent), pytest.raises(SourceUnreachable, match=reason):
        fetch(f"oci://{artifact.host}/team/{reference}", target, DIGEST)


def test_oci_wrong_digest(artifact: Artifact, target: Path) -> None:
    with unchanged(target.parent), pytest.raises(DigestMismatch):
        fetch(f"oci://{artifact.host}/team/two:1#b.mar", target, DIGEST)


def test_oci_without_the_password(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        serving(stand_in(password=True)) as host,
        unchanged(target.parent),
        pytest.raises(SourceUnreachable, match="authentication"),
    ):
        fetch(f"oci://{host}/team/one:1", target, DIGEST)


def test_oci_over_tls(
    authority: tuple[trustme.CA, Path],
    tmp_path: Path,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Loopback is made to count as remote, since only there registries have to speak TLS."""
    monkeypatch.setattr(oci, "is_loopback", lambda host: False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(stand_in(), authority[0]) as host:
        push(host, tmp_path, trust=str(authority[1]))
        with unchanged(target.parent), pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY"):
            fetch(f"oci://{host}/team/one:1", target, DIGEST)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
        fetch(f"oci://{host}/team/one:1", target, DIGEST)
    assert target.read_bytes() == BODY


def test_oci_broken_off_and_led_astray(tmp_path: Path, target: Path) -> None:
    with serving(_Files) as files:
        for blobs_at, error in {
            f"http://{files}/cut/1500000": SourceUnreachable,
            "http://example.com/a.mar": UnsupportedSource,
        }.items():
            with serving(stand_in(blobs_at=blobs_at)) as host:
                push(host, tmp_path)
                with unchanged(target.parent), pytest.raises(error):
                    fetch(f"oci://{host}/team/one:1", target, DIGEST)


# --- progress ---------------------------------------------------------------------------------


def test_progress_on_a_terminal(tmp_path: Path, target: Path) -> None:
    (tmp_path / "b.mar").write_bytes(BODY)
    screen = StringIO()
    with shown_progress("b.mar", Console(file=screen, force_terminal=True, width=80)) as progress:
        fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)
    assert "b.mar" in screen.getvalue()
    assert "2.6/2.6 MB" in screen.getvalue()


def test_progress_in_a_log(tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "model_store.fetch")
    (tmp_path / "b.mar").write_bytes(BODY)
    for _ in range(2):
        with shown_progress("b.mar", Console(file=StringIO())) as progress:
            fetch(str(tmp_path / "b.mar"), target, DIGEST, progress=progress)
    first, second = caplog.messages
    assert first.startswith("b.mar: fetched 2.6 MB in ")
    assert second == "b.mar: already there"
