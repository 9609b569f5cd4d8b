"""JSON responses."""

from __future__ import annotations

import orjson
from aiohttp import web


def json_response(document: object, status: int = 200) -> web.Response:
    """Returns a response with the document; NaN is null."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
