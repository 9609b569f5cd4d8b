"""KServe's V1 protocol: instances in, predictions out.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import orjson

from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge

MAX_INSTANCES = 4096
MAX_JSON_BYTES = 16 * 2**20
"""Limit of the JSON of a request, whose parser keeps other threads waiting."""
_FIELDS = ("image", "image_bytes")
_FORM = '{"image": {"b64": "…"}}'


def read_instances(body: bytes) -> list[bytes]:
    """Returns the encoded images of `{"instances": [{"image": {"b64": "…"}}]}`.

    A bare `{"b64": "…"}` works as well.

    Raises:
        InvalidRequest: the body is malformed; the message says how.
        TooLarge: the JSON, or the number of instances, is over its limit.
    """
    if len(body) > MAX_JSON_BYTES:
        raise TooLarge(f"the JSON has {len(body)} bytes; the limit is {MAX_JSON_BYTES}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list) or not instances:
        raise InvalidRequest('the body is {"instances": […]} with at least one instance')
    if len(instances) > MAX_INSTANCES:
        raise TooLarge(f"there are {len(instances)} instances; the limit is {MAX_INSTANCES}")
    return [_image(number, instance) for number, instance in enumerate(instances)]


def predictions(results: Sequence[dict[str, Any] | Problem]) -> dict[str, Any]:
    """Returns the body of a response; a bad image is a problem at its position."""
    return {"predictions": [r.to_dict() if isinstance(r, Problem) else r for r in results]}


def _image(number: int, instance: Any) -> bytes:
    members = instance if isinstance(instance, dict) else {}
    encoded = next((members[name] for name in _FIELDS if name in members), members)
    text = encoded.get("b64") if isinstance(encoded, dict) else None
    if not isinstance(text, str):
        raise InvalidRequest(f"instance {number} is not of the form {_FORM}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"instance {number} is not base64: {error}") from error
