"""Hostile JSON: documents of the API with values of wrong kinds, and mutated bytes."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from tests.support.fuzz.mutation import mutated

_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    1e308,
    2**63,
    10**400,
    float("nan"),
    "",
    "\0",
    "\ud800",
    "é" * 2000,
    "../../etc/passwd",
    [],
    [[[[]]]],
    {},
    {"": {"": {}}},
)
_DEEP = b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
_PATHS = (
    "",
    "?boxes=relative",
    "?explain=true&provenance=true",
    "?sampling=uniform:3",
    "?live=true",
)


def hostile_body(url: str, image: bytes, chance: random.Random) -> tuple[str, str, bytes]:
    """Returns method, path and JSON of a request of the API, part of it replaced.

    Args:
        url: What documents name as media or webhook.
    """
    method, path, document = chance.choice(_documents(url, base64.b64encode(image).decode()))
    if chance.random() < 0.02:
        return method, path, _DEEP
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        document = _replaced(document, chance)
    body = json.dumps(document).encode()
    if chance.random() < 0.3:
        body = mutated(body, [], body, chance)
    return method, path + chance.choice(_PATHS), body


def _documents(url: str, encoded: str) -> list[tuple[str, str, Any]]:
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [encoded]}
    crops = {"name": "crops", "datatype": "UINT8", "shape": [1, 224, 224, 3], "data": [0] * 9}
    return [
        ("POST", "/v1/images", {"url": url, "id": "a", "explain": False}),
        ("POST", "/v1/images", {"image": encoded}),
        ("POST", "/v1/images/batch", {"urls": [url, url], "images": [encoded]}),
        ("POST", "/v1/videos", {"url": url, "webhook": url, "sampling": "uniform:3"}),
        ("POST", "/v1/videos", {"upload": "a", "options": {"max_frames": 3}}),
        ("POST", "/v1/feedback", {"id": "a", "label": "fake", "face": 0, "note": "a"}),
        ("POST", "/v2/models/detector/infer", {"id": "a", "inputs": [tensor], "outputs": []}),
        ("POST", "/v2/models/classifier/infer", {"inputs": [crops], "parameters": {"a": 1}}),
        ("POST", "/v2/repository/index", {"ready": True}),
        ("POST", "/v1/models/detector:predict", {"instances": [{"b64": encoded}]}),
        ("DELETE", "/v1/jobs/a", {"reason": "a"}),
    ]


def _replaced(document: Any, chance: random.Random) -> Any:
    """Returns a copy in which one value, at any depth, is another, gone or doubled."""
    if isinstance(document, dict) and document and chance.random() < 0.9:
        key = chance.choice(list(document))
        kept = {k: v for k, v in document.items() if k != key}
        match chance.randrange(8):
            case 0:
                return kept
            case 1:
                return {**document, str(chance.choice(_VALUES)): chance.choice(_VALUES)}
            case _:
                return {**kept, key: _replaced(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.8:
        at = chance.randrange(len(document))
        if chance.random() < 0.2:
            return document * chance.choice((2, 100))
        return [*document[:at], _replaced(document[at], chance), *document[at + 1 :]]
    return chance.choice(_VALUES)
