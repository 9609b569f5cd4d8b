"""OCI registries: a stub, and Debian's docker-registry (CNCF distribution)."""

# ruff: noqa: N802 - http.server names the methods

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from oras.provider import Registry

from tests.support.ports import free_port
from tests.unit.packaging.fetch.material import BODY, OTHER, sha256
from tests.unit.packaging.fetch.servers import Handler

ACCOUNT = ("reader", "open sesame")
BASIC = base64.b64encode(":".join(ACCOUNT).encode()).decode()
HTPASSWD = f"{ACCOUNT[0]}:$2b$04$0nX2OBfC2lC2IEh2fFnqHuqE.EakAlk03FaKn4jF.xVhhS2xwk8au\n"


def stub_registry(password: bool = False, blobs_at: str = "") -> type[BaseHTTPRequestHandler]:
    """A stub registry with the endpoints that oras-py needs to push and pull."""

    class _StandIn(Handler):
        stored: dict[str, tuple[str, bytes]] = {}  # noqa: RUF012 - one for all requests

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if password and self.headers["Authorization"] != f"Basic {BASIC}":
                self.respond(401, www_authenticate='Basic realm="stub"')
            elif blobs_at and self.command == "GET" and "/blobs/" in path:
                self.respond(307, location=blobs_at)
            elif path in self.stored:
                kind, body = self.stored[path]
                self.respond(200, body, content_type=kind)
            else:
                self.respond(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            if password and self.headers["Authorization"] != f"Basic {BASIC}":
                self.respond(401, www_authenticate='Basic realm="stub"')
            else:
                self.respond(202, location=self.path)

        def do_PUT(self) -> None:
            body, url = self.rfile.read(int(self.headers["Content-Length"])), urlsplit(self.path)
            digest = parse_qs(url.query).get("digest", [f"sha256:{sha256(body)}"])[0]
            folder = url.path.removesuffix("uploads/").rpartition("/")[0]
            for path in {url.path, f"{folder}/{digest}"}:
                self.stored[path] = self.headers["Content-Type"], body
            self.respond(201)

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


def wait_for(ready: Callable[[], bool], limit_s: float = 60) -> None:
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
    """A registry to test against: its kind, and whether it requires a password."""
    required = os.environ.get("REQUIRE_DOCKER_REGISTRY") == "1"
    real = ["docker-registry"] if required or shutil.which("docker-registry") else []
    return [(kind, password) for kind in ["stub", *real] for password in (False, True)]


@dataclass(frozen=True)
class Artifact:
    """A registry with BODY as `one:1`, and BODY and OTHER as `two:1`."""

    host: str
    one: str


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
