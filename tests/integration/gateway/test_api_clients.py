"""Clients in Go and TypeScript: generated from the OpenAPI document, built, and run once.

`make api-clients` installs their generators and requires them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts.openapi import document, document_30
from tests.support.paths import ROOT
from tests.support.running import RunningGateway

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SOURCES = ROOT / "tests" / "integration" / "clients"
API_CLIENTS = ROOT / "build" / "api-clients"
"""The folder into which `make api-clients` installs the packages of npm."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, astronaut_jpeg: bytes) -> Path:
    path = tmp_path_factory.mktemp("image") / "a.jpg"
    path.write_bytes(astronaut_jpeg)
    return path


def build_go(folder: Path) -> list[str]:
    """Generates a client with oapi-codegen, which reads OpenAPI 3.0; returns its command."""
    go = _tool("go")
    shutil.copytree(SOURCES / "go", folder, dirs_exist_ok=True)
    (folder / "openapi.json").write_text(document_30())
    (folder / "api").mkdir()
    options = ["-generate", "types,client", "-package", "api", "-o", "api/client.go"]
    _run([go, "tool", "oapi-codegen", *options, "openapi.json"], folder)
    _run([go, "build", "-o", "client", "."], folder)
    return [str(folder / "client")]


def build_typescript(folder: Path) -> list[str]:
    """Generates types with openapi-typescript, compiles the client; returns its command."""
    npm, node = _tool("npm"), _tool("node")
    packages = API_CLIENTS / "node_modules"
    if not packages.is_dir():
        _stop(f"{packages} does not exist: make api-clients")
    shutil.copytree(SOURCES / "typescript", folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(packages)
    (folder / "openapi.json").write_text(document())
    for script in ("generate", "build"):
        _run([npm, "run", "--silent", script], folder)
    return [node, str(folder / "detect.js")]


@pytest.mark.parametrize("build", [build_go, build_typescript], ids=["go", "typescript"])
def test_a_generated_client_detects_submits_and_lists(
    build: Callable[[Path], list[str]],
    gateway: RunningGateway,
    image: Path,
    video: Path,
    tmp_path: Path,
) -> None:
    command = [*build(tmp_path), gateway.url, str(image), str(video)]
    reported: dict[str, Any] = json.loads(_run(command, tmp_path))
    assert reported["verdict"] == "real"
    assert reported["faces"] == 1
    assert reported["problem"] == 415
    assert reported["job"] in reported["jobs"]


def _run(command: Sequence[str], folder: Path) -> str:
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        _stop(f"{name} is not on PATH")
    return str(path)


def _stop(reason: str) -> None:
    """Skips the test, or fails it where `make api-clients` runs."""
    (pytest.fail if os.environ.get("REQUIRE_API_CLIENTS") == "1" else pytest.skip)(reason)
