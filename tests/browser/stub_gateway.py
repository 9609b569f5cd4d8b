"""A stub of the gateway: its HTTP API with scripted verdicts.

Media are real and are decoded; only scores and positions of faces are scripted, by file name.
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
from deepfake_serving.gateway.http.console import CONSOLE, console_version, versioned_index
from tests.browser.media import FACE
from tests.browser.stub_ensemble import ENSEMBLE, MEMBERS, combine
from tests.browser.stub_evidence import add_heatmaps, copy_of, provenance_of
from tests.browser.stub_feedback import FeedbackLog
from tests.browser.stub_jobs import Jobs, uploaded_file
from tests.browser.stub_keys import keys, usage
from tests.browser.stub_video import verdict_of

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self' ws: wss:; style-src 'self'; script-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
STUB_NAME = "stub of deepfake-serving"
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
IMAGES = web.AppKey("images", set[str])
"""The ids of image responses."""
JOBS = web.AppKey("jobs", Jobs)
FACES: dict[str, list[tuple[tuple[float, ...], float]]] = {
    "astronaut": [(FACE, 0.12)],
    "portrait": [(FACE, 0.22)],
    "swapped": [(FACE, 0.87)],
    "unsure": [(FACE, 0.52)],
    "group": _GROUP,
}


def image_verdict(
    faces: list[tuple[tuple[float, ...], float]], width: int, height: int
) -> dict[str, Any]:
    """Builds an ImageVerdict as in contracts/verdict.py; boxes are relative to the image size."""
    scored = [
        {
            "box": [x1 * width, y1 * height, x2 * width, y2 * height],
            "landmarks": [[x1 * width, y1 * height]] * 5,
            "detection_confidence": 0.998,
            "fake_probability": p,
            "verdict": verdict_of(p),
            "models": {"detector": {"fake_probability": p}},
            "heatmap": None,
        }
        for (x1, y1, x2, y2), p in faces
    ]
    highest = max((p for _, p in faces), default=None)
    return {
        "id": uuid.uuid4().hex,
        "verdict": "no_face" if highest is None else verdict_of(highest),
        "fake_probability": highest,
        "faces": scored,
        "width": width,
        "height": height,
        "model": MODEL,
        "timings_ms": {"decode": 3.1, "detect": 41.7, "noise": 1.9, "classify": 22.4},
        "warnings": [],
        "provenance": None,
    }


def verdict_for(data: bytes, name: str) -> dict[str, Any]:
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise UnsupportedMediaType(f"{name} is not a supported image") from None
    try:
        image.load()
    except OSError as error:
        raise UndecodableMedia(f"{name} is damaged: {error}") from None
    return image_verdict(FACES.get(Path(name).stem, []), image.width, image.height)


async def images(request: web.Request) -> web.Response:
    if request.content_type == "application/json":
        url = (await request.json())["url"]
        return web.json_response(image_verdict(FACES.get(_name_of(url), []), 512, 512))
    name, data = await uploaded_file(request)
    verdict = verdict_for(data, name)
    if request.query.get("model") == ENSEMBLE["name"]:
        combine(verdict)
    if request.query.get("preview") == "true":
        verdict["preview"] = copy_of(data)
    if request.query.get("explain") == "true":
        add_heatmaps(verdict, data)
    if request.query.get("provenance") == "true":
        verdict["provenance"] = provenance_of(name, data)
    if request.headers.get("Prefer") == "respond-async":
        return request.app[JOBS].accept_image(name, data, verdict)
    request.app[IMAGES].add(verdict["id"])
    return web.json_response(verdict)


def _name_of(url: str) -> str:
    """Returns the file name in a URL. Raises for hosts that the script refuses or can't reach."""
    parts = urlsplit(url)
    if parts.hostname in ("127.0.0.1", "localhost", "169.254.169.254"):
        raise RefusedURL(f"{url} resolves to an address that is not public")
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
        image = Image.open(io.BytesIO(message.data))
        image.load()
        p = 0.5 + 0.32 * math.sin(number / 9) + 0.05 * math.sin(number * 2.1)
        smoothed += 0.2 * (p - smoothed)
        box = (0.37, 0.13, 0.51, 0.37)
        verdict = image_verdict([(box, p)], image.width, image.height)
        message_out = {"frame": number, "verdict": verdict, "smoothed": smoothed, "dropped": 0}
        await socket.send_json(message_out)
    return socket


async def info(_: web.Request) -> web.Response:
    limits = {
        "max_image_bytes": 32 * 2**20,
        "max_batch_items": 64,
        "max_video_bytes": 2 * 2**30,
        "max_video_s": 14400,
    }
    document: dict[str, Any] = {
        "name": STUB_NAME,
        "version": "0.1.0",
        "auth": False,
        "limits": limits,
    }
    defaults = {"sampling": "every:5", "aggregation": "shots"}
    card = {
        "url": "https://cards.example/detector",
        "detects": ["face_swap"],
        "excludes": ["generated_face", "reenactment", "lip_sync"],
        "min_face_px": 100,
    }
    thresholds = {"suspicious_from": 0.4, "fake_above": 0.6}
    features = {"feedback": True, "keeps_images": False}
    scale = {"thresholds": thresholds, "card": card}
    models = [
        {"name": MODEL["name"], "task": "detector"} | scale,
        {"name": ENSEMBLE["name"], "task": "ensemble", "members": MEMBERS} | scale,
        {"name": "faces", "task": "faces", "thresholds": None, "card": None},
    ]
    return web.json_response(
        document | {"defaults": defaults, "urls": True, "models": models} | features
    )


async def index(_: web.Request) -> web.Response:
    return web.Response(text=versioned_index(), content_type="text/html")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return _problem_response(problem)
    except web.HTTPNotFound:
        return _problem_response(NotFound(f"no route at {request.path}"))


def _problem_response(problem: Problem) -> web.Response:
    document = problem.to_dict(uuid.uuid4().hex)
    return web.json_response(document, status=problem.status, content_type=MEDIA_TYPE)


async def _policy(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"


@asynccontextmanager
async def stub_gateway(folder: Path) -> AsyncIterator[str]:
    """Serves within the context and yields the base URL. Jobs' media are stored in the folder."""
    app = web.Application(middlewares=[problems], client_max_size=2**26)
    app[IMAGES] = set()
    app[JOBS] = jobs = Jobs(folder, MODEL, _name_of)
    app.on_response_prepare.append(_policy)
    app.add_routes(
        [
            web.get("/", index),
            web.static(f"/console/{console_version()}", CONSOLE),
            web.static("/console", CONSOLE),
            web.get("/v1/info", info),
            web.post("/v1/images", images),
            web.get("/v1/stream", stream),
            web.get("/v1/keys", keys),
            web.get("/v1/usage", usage),
            *jobs.routes(),
            *FeedbackLog(jobs, app[IMAGES]).routes(),
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
