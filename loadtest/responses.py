"""What came of a request: a document, a refusal, or something wrong."""

from __future__ import annotations

import json
from typing import Any

from deepfake_serving.contracts.problems import MEDIA_TYPE

Document = dict[str, Any]

_NO_CONTENT, _REFUSED = 204, 429


class Refused(Exception):
    """The server has too much to do, or the key asked too often, and said so as documented."""


class Wrong(Exception):
    """An answer that is none, or not the right one. Its text is short and the same for all of its
    kind, because failures are counted by it."""


def read(status: int, content_type: str, body: bytes, expected: int = 200) -> Document:
    """The JSON document of an HTTP answer.

    Raises:
        Refused, Wrong
    """
    if status == expected == _NO_CONTENT:
        return {}
    kind = content_type.partition(";")[0].strip()
    if kind == MEDIA_TYPE:
        raise problem(_parsed(body, status), status)
    if status != expected or kind != "application/json":
        raise Wrong(f"{status} {kind or 'without a type'}")
    return _parsed(body, status)


def problem(document: Any, status: int | None = None) -> Refused | Wrong:
    """What a problem document (RFC 9457) stands for; `status` is that which it came with."""
    if not isinstance(document, dict) or not isinstance(document.get("title"), str):
        return Wrong("a problem without a title")
    told = document.get("status")
    if status not in (None, told):
        return Wrong(f"{status} with a problem of status {told}")
    return (Refused if told == _REFUSED else Wrong)(f"{told} {document['title']}")


def _parsed(body: bytes, status: int) -> Document:
    try:
        document = json.loads(body)
    except ValueError:
        raise Wrong(f"{status} that is not JSON") from None
    if not isinstance(document, dict):
        raise Wrong(f"{status} that is not a JSON object")
    return document
