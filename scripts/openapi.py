"""Writes the gateway's OpenAPI document, and a Python client that is generated from it.

`python -m scripts.openapi client FOLDER` writes a typed Python client, `… document-3.0 FILE` the
document in OpenAPI 3.0, for generators that don't read 3.1 (oapi-codegen).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from deepfake_serving.gateway.auth.authenticator import Authenticator
from deepfake_serving.gateway.context import Gateway
from deepfake_serving.gateway.http.app import build_app
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.settings import load_settings
from scripts.openapi_30 import downgrade

_ROOT = Path(__file__).resolve().parent.parent

_BINARY = (
    "application/offset+octet-stream",
    "application/zip",
    "image/*",
    "image/jpeg",
    "image/png",
    "video/*",
)
"""Types of bodies that openapi-python-client takes for files if a setting says so. It leaves out
operations with any other type that it does not know."""


class _Described:
    """A gateway that is never started."""

    settings, metrics, authenticator = load_settings(), Metrics(), Authenticator(None, None, None)


def document() -> str:
    """Returns the published document."""
    app = build_app(cast("Gateway", _Described()))
    described: dict[str, Any] = app.openapi()
    return json.dumps(described, indent=1) + "\n"


def document_30() -> str:
    """Returns the document in OpenAPI 3.0."""
    return json.dumps(downgrade(json.loads(document())), indent=1) + "\n"


def write_client(folder: Path) -> None:
    """Writes a typed Python client with synchronous and asynchronous calls of all operations."""
    with tempfile.TemporaryDirectory() as scratch:
        path, settings = Path(scratch, "openapi.json"), Path(scratch, "settings.json")
        path.write_text(json.dumps(_without_wildcards(json.loads(document()))))
        types = dict.fromkeys(_BINARY, "application/octet-stream")
        settings.write_text(json.dumps({"post_hooks": [], "content_type_overrides": types}))
        given: list[str | Path] = [
            "--path",
            path,
            "--config",
            settings,
            "--output-path",
            folder,
            "--overwrite",
            "--fail-on-warning",
        ]
        subprocess.run([*_generator(), "generate", *given], check=True)


def _without_wildcards(described: dict[str, Any]) -> dict[str, Any]:
    """Removes bodies of the types `image/*` and `video/*`, which the generator can't name. Its
    clients send application/octet-stream."""
    for path in described["paths"].values():
        for operation in path.values():
            types = operation.get("requestBody", {}).get("content", {})
            for wildcard in [each for each in types if each.endswith("/*")]:
                del types[wildcard]
    return described


def _generator() -> list[str | Path]:
    """Returns the command of openapi-python-client: the installed one, or uv fetches the one that
    is locked for development, into its cache."""
    installed = Path(sys.executable).with_name("openapi-python-client")
    if installed.exists():
        return [installed]
    uv, lock = Path(sys.executable).with_name("uv"), _ROOT / "requirements" / "dev.txt"
    return [uv, "tool", "run", "--quiet", "--constraints", lock, installed.name]


if __name__ == "__main__":
    if sys.argv[1] == "document-3.0":
        Path(sys.argv[2]).write_text(document_30())
    else:
        write_client(Path(sys.argv[2]))
