"""Response parsing: a JSON document, a rate limit, or an invalid response."""

from __future__ import annotations

import json
from typing import Any

from deepfake_serving.contracts.problems import MEDIA_TYPE

Document = dict[str, Any]

_NO_CONTENT, _REFUSED = 204, 429


class Refused(Exception):
    """A documented 429: the server is overloaded or the key's rate limit is exceeded."""


class InvalidResponse(Exception):
    """A missing or incorrect response.

    Failures are counted by message, so it is short and the same for each kind.
    """


def read_document(status: int, content_type: str, body: bytes, expected: int = 200) -> Document:
    """Returns the JSON document of an HTTP response.

    Raises:
        Refused, InvalidResponse
    """
    if status == expected == _NO_CONTENT:
        return {}
    kind = content_type.partition(";")[0].strip()
    if kind == MEDIA_TYPE:
        raise problem(_parsed(body, status), status)
    if status != expected or kind != "application/json":
        raise InvalidResponse(f"{status} {kind or 'without a type'}")
    return _parsed(body, status)


def problem(document: Any, status: int | None = None) -> Refused | InvalidResponse:
    """Converts a problem document (RFC 9457) to an exception. `status` is the HTTP status."""
    if not isinstance(document, dict) or not isinstance(document.get("title"), str):
        return InvalidResponse("a problem without a title")
    declared = document.get("status")
    if status not in (None, declared):
        return InvalidResponse(f"{status} with a problem of status {declared}")
    return (Refused if declared == _REFUSED else InvalidResponse)(f"{declared} {document['title']}")


def _parsed(body: bytes, status: int) -> Document:
    try:
        document = json.loads(body)
    except ValueError:
        raise InvalidResponse(f"{status} that is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidResponse(f"{status} that is not a JSON object")
    return document
