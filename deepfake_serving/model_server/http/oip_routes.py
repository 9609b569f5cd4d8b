"""The Open Inference Protocol's JSON and its binary tensor data extension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import orjson
from aiohttp import web

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction.oip import Input, Output, check_counts, raw_from_json

MAX_JSON_BYTES = 16 * 2**20
"""Limit of the JSON of a request, whose parser keeps other threads waiting."""
LENGTH_HEADER = "Inference-Header-Content-Length"


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A parsed request; `outputs` maps requested names to whether they are binary."""

    id: str | None
    parameters: dict[str, Any]
    input: Input
    outputs: list[tuple[str, bool]]
    binary_by_default: bool


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """Parses JSON, or `header_length` bytes of JSON followed by raw tensors.

    Raises:
        InvalidRequest: the request is malformed; the message says how.
        TooLarge: the JSON is over its limit.
    """
    length = _length(header_length, len(body))
    if length > MAX_JSON_BYTES:
        raise TooLarge(
            f"the JSON has {length} bytes; the limit is {MAX_JSON_BYTES}: send binary tensors"
        )
    try:
        document = orjson.loads(body[:length])
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    document = _object(document, "the body")
    parameters = _object(document.get("parameters", {}), "parameters")
    by_default = parameters.get("binary_data_output", False) is True
    request_id = document.get("id")
    inputs = _list(document.get("inputs"), "inputs")
    outputs = _list(document.get("outputs", []), "outputs")
    check_counts(len(inputs), len(outputs))
    return InferRequest(
        request_id if isinstance(request_id, str) else None,
        parameters,
        _input(inputs[0], body[length:]),
        [_requested(output, by_default) for output in outputs],
        by_default,
    )


def write_response(
    model: ServedModel, request: InferRequest, outputs: Sequence[Output], request_id: str
) -> web.Response:
    """Serializes outputs as JSON, or after the JSON if binary data were requested."""
    binary = dict(request.outputs)
    raws: list[bytes] = []
    tensors = []
    for output in outputs:
        tensor: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
        }
        if binary.get(output.name, request.binary_by_default):
            raws.append(output.raw())
            tensor["parameters"] = {"binary_data_size": len(raws[-1])}
        else:
            tensor["data"] = [_json_number(value) for value in output.values]
        tensors.append(tensor)
    head = orjson.dumps(
        {
            "model_name": model.name,
            "model_version": model.version,
            "id": request.id or request_id,
            "outputs": tensors,
        }
    )
    if not raws:
        return web.Response(body=head, content_type="application/json")
    return web.Response(
        body=head + b"".join(raws),
        content_type="application/octet-stream",
        headers={LENGTH_HEADER: str(len(head))},
    )


def _length(header: str | None, size: int) -> int:
    if header is None:
        return size
    digits = header.isascii() and header.isdigit() and len(header) < 20
    if not digits or int(header) > size:
        raise InvalidRequest(f"{LENGTH_HEADER} is not a length within the body")
    return int(header)


def _input(document: Any, raw: bytes) -> Input:
    tensor = _object(document, "an input")
    name, datatype = tensor.get("name"), tensor.get("datatype")
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise InvalidRequest("an input needs a name and a datatype")
    shape = _shape(tensor.get("shape"))
    size = _object(tensor.get("parameters", {}), "parameters").get("binary_data_size")
    if size is None and not raw:
        return Input(name, datatype, shape, raw_from_json(datatype, tensor.get("data")))
    if type(size) is not int or size != len(raw):
        raise InvalidRequest(
            f"binary_data_size is {size!r}, but {len(raw)} bytes follow the JSON part"
        )
    return Input(name, datatype, shape, raw)


def _shape(value: Any) -> tuple[int, ...]:
    shape = _list(value, "shape")
    if not all(type(side) is int and 0 <= side < 2**31 for side in shape):
        raise InvalidRequest("a shape is a list of whole numbers")
    return tuple(shape)


def _requested(value: Any, by_default: bool) -> tuple[str, bool]:
    output = _object(value, "an output")
    name = output.get("name")
    if not isinstance(name, str):
        raise InvalidRequest("a requested output needs a name")
    parameters = _object(output.get("parameters", {}), "parameters")
    return name, parameters.get("binary_data", by_default) is True


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what}: a JSON object was expected")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{what}: a JSON list was expected")
    return value


def _json_number(value: Any) -> Any:
    """Converts NaN and infinity to null, because JSON has neither."""
    return None if isinstance(value, float) and isnan(value) else value
