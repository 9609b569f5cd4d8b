"""The body of a request to a worker: one encoded image, or an Open Inference Protocol tensor.

A plain body is one encoded image. A body with the header `Inference-Header-Content-Length: n` is
an Open Inference Protocol request in the binary tensor form
(https://github.com/kserve/open-inference-protocol): n bytes of JSON, then the raw tensor. It holds
one input of many items: BYTES (each element an encoded image) or UINT8 (n, h, w, 3).
"""

from __future__ import annotations

import json
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from model_handlers.given_faces import parse_face_px, parse_faces
from model_handlers.items import Item, Options

LENGTH_HEADER = "inference-header-content-length"
REQUEST_ID_HEADER = "x-request-id"
DEADLINE_HEADER = "x-deepfake-deadline"
OPTIONS_HEADER = "x-deepfake-options"
BATCH_HEADER = "x-deepfake-batch"

OF_REQUESTS = "; requests: "
"""Precedes the ids of requests, separated by spaces, in the line before a worker's traceback."""

FLAGS = ("crops", "explain", "follow", "full_precision", "preview")
"""Options that are true or false."""

MAX_RESPONSE_BYTES = 16 * 2**20
"""Limit of a worker's response; TorchServe kills workers that exceed its own limit."""

MAX_ITEMS = 4096
"""Limit of items per request, since counting millions of empty ones would take seconds."""


def pack_tensor(
    datatype: str, shape: Sequence[int], raw: bytes, parameters: Mapping[str, Any] | None = None
) -> tuple[bytes, int]:
    """Builds a binary OIP request of one tensor: its bytes, and the length of its JSON part."""
    tensor = {
        "name": "input",
        "datatype": datatype,
        "shape": list(shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": dict(parameters or {})}).encode()
    return head + raw, len(head)


def unpack_items(body: bytes, length: int) -> list[Item]:
    """Returns the items of a binary OIP request.

    Raises:
        InvalidRequest: the request is malformed; the message says how.
    """
    if not 0 <= length <= len(body):
        raise InvalidRequest(f"{LENGTH_HEADER} is {length}, but the body has {len(body)} bytes")
    try:
        tensor = json.loads(body[:length])["inputs"][0]
        datatype, shape = str(tensor["datatype"]), [operator.index(n) for n in tensor["shape"]]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InvalidRequest(f"not an Open Inference Protocol request: {reason}") from error
    raw = memoryview(body)[length:]
    if datatype == "BYTES":
        return list(_split(raw, shape))
    return list(_pixels(raw, datatype, shape))


def item_options(body: bytes, length: int, options: Options, count: int) -> list[Options]:
    """Returns the options of each item of a binary OIP request, whose head `unpack_items` accepts.

    Raises:
        InvalidRequest: the parameters `faces` or `face_px` are malformed.
    """
    parameters = json.loads(body[:length]).get("parameters") or {}
    each = [options] * count
    if "faces" in parameters:
        faces = parse_faces(parameters["faces"], count)
        each = [replace(option, faces=f) for option, f in zip(each, faces, strict=True)]
    if "face_px" in parameters:
        sides = parse_face_px(parameters["face_px"], count)
        each = [replace(option, face_px=px) for option, px in zip(each, sides, strict=True)]
    return each


def split_bytes(raw: bytes | memoryview) -> list[bytes]:
    """Returns the elements of a BYTES tensor: each its length as little-endian uint32, then
    that many bytes.

    Raises:
        InvalidRequest: a length reaches beyond the tensor.
        TooLarge: more than `MAX_ITEMS`.
    """
    elements: list[bytes] = []
    view, at = memoryview(raw), 0
    while at < len(view):
        if len(elements) == MAX_ITEMS:
            raise TooLarge(f"a BYTES tensor has at most {MAX_ITEMS} elements")
        if at + 4 > len(view):
            raise InvalidRequest("a BYTES tensor ends within an element's length")
        (size,) = struct.unpack_from("<I", view, at)
        if at + 4 + size > len(view):
            raise InvalidRequest("a BYTES tensor's element reaches beyond the tensor")
        elements.append(bytes(view[at + 4 : at + 4 + size]))
        at += 4 + size
    return elements


def join_bytes(elements: Sequence[bytes]) -> bytes:
    """Returns the raw form of a BYTES tensor; the inverse of `split_bytes`.

    Raises:
        TooLarge: more than `MAX_ITEMS`.
    """
    if len(elements) > MAX_ITEMS:
        raise TooLarge(f"a BYTES tensor has at most {MAX_ITEMS} elements")
    return b"".join(struct.pack("<I", len(e)) + e for e in elements)


def parse_options(header: str | None) -> Options:
    """Parses the options header: a JSON object of `Options`' fields.

    Raises:
        InvalidRequest: not such an object.
    """
    if not header:
        return Options()
    try:
        given: Mapping[str, Any] = json.loads(header)
        flags = {name: given.get(name, False) for name in FLAGS}
    except (ValueError, AttributeError, RecursionError) as error:
        raise InvalidRequest(f"{OPTIONS_HEADER} is not a JSON object") from error
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidRequest(f"{OPTIONS_HEADER}: {name} must be true or false")
    return Options(**flags)


def _split(raw: memoryview, shape: list[int]) -> list[bytes]:
    elements = split_bytes(raw)
    if prod(shape) != len(elements) or min(shape, default=1) < 0:
        raise InvalidRequest(
            f"a BYTES tensor has {len(elements)} elements, but its shape is {shape!s:.80}"
        )
    return elements


def _pixels(raw: memoryview, datatype: str, shape: list[int]) -> list[np.ndarray]:
    if datatype != "UINT8":
        raise InvalidRequest(f"an input of type BYTES or UINT8 was expected, not {datatype!r:.40}")
    if len(shape) == 3:
        shape = [1, *shape]
    if len(shape) != 4 or shape[3] != 3 or min(shape) < 1:
        raise InvalidRequest(
            f"a UINT8 input of shape (n, height, width, 3) was expected, not {shape!s:.80}"
        )
    if prod(shape) != len(raw):
        raise InvalidRequest(f"{len(raw)} bytes can't fill a UINT8 tensor of shape {shape}")
    return list(np.frombuffer(raw, dtype=np.uint8).reshape(shape))
