"""Stands in for the gateway: the HTTP API as docs/api.md tells it, with scripted verdicts.

Media are real and are really decoded; only scores and places of faces are made up, by file name.
With CONSOLE_URL set the same tests run against the real stack.
"""

from __future__ import annotations

import io
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web
from PIL import Image, UnidentifiedImageError

from deepfake_serving.contracts.problems import (
    MEDIA_TYPE,
    NotFound,
    Problem,
    RefusedURL,
    UndecodableMedia,
    UnreachableURL,
    UnsupportedMediaType,
)
from tests.browser.media import FACE
from tests.browser.standin_jobs import Jobs
from tests.browser.standin_video import word

CONSOLE = Path(__file__).resolve().parents[2] / "deepfake_serving" / "gateway" / "console"
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
MODEL = {
    "name": "detector",
    "version": "1.0",
    "digest": "sha256:4f1c2d" + "0a9b" * 14 + "77",
    "trained": True,
}
_GROUP: list[tuple[tuple[float, ...], float]] = [
    ((0.11, 0.14, 0.22, 0.35), 0.08),
    ((0.13, 0.65, 0.24, 0.85), 0.53),
    ((0.55, 0.32, 0.77, 0.74), 0.91),
]
FACES: dict[str, list[tuple[tuple[float, ...], float]]] = {
    "astronaut": [(FACE, 0.12)],
    "swapped": [(FACE, 0.87)],
    "unsure": [(FACE, 0.52)],
    "group": _GROUP,
}


def image_verdict(
    faces: list[tuple[tuple[float, ...], float]], width: int, height: int
) -> dict[str, Any]:
    """An ImageVerdict as contracts/verdict.py has it; boxes are given as shares."""
    judged = [
        {
            "box": [x1 * width, y1 * height, x2 * width, y2 * height],
            "landmarks": [[x1 * width, y1 * height]] * 5,
            "detection_confidence": 0.998,
            "fake_probability": p,
            "verdict": word(p),
            "models": {"detector": p},
            "heatmap": None,
        }
        for (x1, y1, x2, y2), p in faces
    ]
    highest = max((p for _, p in faces), default=None)
    return {
        "id": uuid.uuid4().hex,
        "verdict": "no_face" if highest is None else word(highest),
        "fake_probability": highest,
        "faces": judged,
        "width": width,
        "height": height,
        "model": MODEL,
        "timings_ms": {"decode": 3.1, "detect": 41.7, "noise": 1.9, "classify": 22.4},
    }


def judge(data: bytes, name: str) -> dict[str, Any]:
    try:
        picture = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnsupportedMediaType(f"{name} is not a picture that is read here") from None
    try:
        picture.load()
    except OSError as error:
        raise UndecodableMedia(f"{name} is broken: {error}") from None
    return image_verdict(FACES.get(Path(name).stem, []), picture.width, picture.height)


async def images(request: web.Request) -> web.Response:
    if request.content_type == "application/json":
        url = (await request.json())["url"]
        return web.json_response(image_verdict(FACES.get(_named(url), []), 512, 512))
    field = (await request.post())["file"]
    assert isinstance(field, web.FileField)
    return web.json_response(judge(field.file.read(), field.filename))


def _named(url: str) -> str:
    """What a URL's path is called; some hosts are refused or are not there, by policy or script."""
    parts = urlsplit(url)
    if parts.hostname in ("127.0.0.1", "localhost", "169.254.169.254"):
        raise RefusedURL(f"{url} leads to an address that is not public")
    if (parts.hostname or "").endswith(".invalid"):
        raise UnreachableURL(f"{url} could not be fetched: no such host")
    return Path(parts.path).stem


async def stream(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    number, smoothed = 0, 0.3
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        number += 1
        picture = Image.open(io.BytesIO(message.data))
        picture.load()
        p = 0.5 + 0.32 * math.sin(number / 9) + 0.05 * math.sin(number * 2.1)
        smoothed += 0.2 * (p - smoothed)
        box = (0.37, 0.13, 0.51, 0.37)
        verdict = image_verdict([(box, p)], picture.width, picture.height)
        answer = {"frame": number, "verdict": verdict, "smoothed": smoothed, "dropped": 0}
        await socket.send_json(answer)
    return socket


async def info(_: web.Request) -> web.Response:
    limits = {
        "max_image_bytes": 32 * 2**20,
        "max_batch_items": 64,
        "max_video_bytes": 2 * 2**30,
        "max_video_s": 14400,
    }
    document = {"name": "deepfake-serving", "version": "0.1.0", "auth": False, "limits": limits}
    return web.json_response(document | {"urls": True})


async def index(_: web.Request) -> web.FileResponse:
    return web.FileResponse(CONSOLE / "index.html")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return _refused(problem)
    except web.HTTPNotFound:
        return _refused(NotFound(f"there is nothing at {request.path}"))


def _refused(problem: Problem) -> web.Response:
    document = problem.to_dict(uuid.uuid4().hex)
    return web.json_response(document, status=problem.status, content_type=MEDIA_TYPE)


async def _policy(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"


@asynccontextmanager
async def standin(folder: Path) -> AsyncIterator[str]:
    """Serves until left; gives the base URL. Media of jobs are kept in the folder."""
    app = web.Application(middlewares=[problems], client_max_size=2**26)
    jobs = Jobs(folder, MODEL, _named)
    app.on_response_prepare.append(_policy)
    app.add_routes(
        [
            web.get("/", index),
            web.static("/console", CONSOLE),
            web.get("/v1/info", info),
            web.post("/v1/images", images),
            web.get("/v1/stream", stream),
            *jobs.routes(),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await jobs.close()
        await runner.cleanup()
