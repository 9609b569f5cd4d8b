"""JSON bodies, read up to a size."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import Request

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge

_MAX_BYTES = 256 * 1024


async def read_json(request: Request) -> Any:
    """Reads a JSON body.

    Raises:
        InvalidRequest, TooLarge
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise TooLarge(f"the JSON is larger than the limit of {_MAX_BYTES} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
