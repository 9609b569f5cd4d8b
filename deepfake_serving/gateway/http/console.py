"""The console's files, below a path that names their content, so that browsers keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from deepfake_serving.assets import PACKAGE

CONSOLE = PACKAGE / "gateway" / "console"
REVALIDATED = {"Cache-Control": "no-cache"}
LATER = ("main.js", "about/apiDocs.js", "vendor/tus.min.js")
"""Modules that are not preloaded: the first one is in the page, others are imported when needed."""
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}  # RFC 8246
_MIN_GZIP_BYTES = 500


class _Files(StaticFiles):
    """Files with headers of their own."""

    def __init__(self, directory: Path, headers: dict[str, str]) -> None:
        super().__init__(directory=directory)
        self._headers = headers

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(self._headers)
        return response


@cache
def console_version() -> str:
    """Returns the first digits of a hash of all files: modules of two versions never mix."""
    digest = hashlib.sha256()
    for path in sorted(path for path in CONSOLE.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(CONSOLE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def versioned_index() -> str:
    """Returns index.html with versioned paths, and with all modules preloaded in one round trip."""
    root = f"console/{console_version()}"
    modules = sorted(path.relative_to(CONSOLE).as_posix() for path in CONSOLE.rglob("*.js"))
    preloads = "".join(
        f'    <link rel="modulepreload" href="{root}/{module}">\n'
        for module in modules
        if module not in LATER
    )
    html = (CONSOLE / "index.html").read_text().replace('"console/', f'"{root}/')
    return html.replace("  </head>", f"{preloads}  </head>")


def add_console(app: FastAPI) -> None:
    """Adds the console at `/`. Its files are at `/console/` too, for links that are kept."""
    for path, headers in ((f"/console/{console_version()}", IMMUTABLE), ("/console", REVALIDATED)):
        files = GZipMiddleware(_Files(CONSOLE, headers), minimum_size=_MIN_GZIP_BYTES)
        app.mount(path, files, name="console")

    @app.get("/", include_in_schema=False)
    async def console() -> Response:
        return HTMLResponse(versioned_index(), headers=REVALIDATED)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(CONSOLE / "docs.html", headers=REVALIDATED)
