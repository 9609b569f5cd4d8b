"""API keys and usage of the stub gateway, which serves them although it needs no key."""

from __future__ import annotations

from aiohttp import web

KEYS = [
    {
        "id": "chief",
        "scopes": ["admin"],
        "rate": None,
        "max_queued": None,
        "max_streams": None,
        "daily": {},
    },
    {
        "id": "team-a",
        "scopes": ["images", "jobs", "stream", "videos"],
        "rate": {"limit": 100, "window_s": 60, "remaining": 37, "resets_in_s": 22},
        "max_queued": 50,
        "max_streams": 4,
        "daily": {"requests": 1000, "images": 500, "video_seconds": 3600},
    },
]
USAGE = [
    {"key": "gone", "requests": 3, "images": 2, "bytes": 2048, "video_seconds": 0.0, "limits": {}},
    {
        "key": "team-a",
        "requests": 812,
        "images": 490,
        "bytes": 734_003_200,
        "video_seconds": 1234.5,
        "limits": {"requests": 1000, "images": 500, "video_seconds": 3600},
    },
]


async def keys(_: web.Request) -> web.Response:
    return web.json_response({"required": True, "keys": KEYS})


async def usage(request: web.Request) -> web.Response:
    """Yesterday nothing was used."""
    day = request.query.get("day", "2026-11-28")
    used = USAGE if day == "2026-11-28" else []
    return web.json_response({"day": day, "resets_in_s": 3600, "keys": used})
