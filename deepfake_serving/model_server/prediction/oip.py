"""The Open Inference Protocol v2, independent of its transport: input and output tensors.

https://github.com/kserve/open-inference-protocol, with the binary tensor data extension. REST and
gRPC both turn their messages into `Input`s and write `Output`s; their meaning is defined here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import nan, prod
from typing import Any

import numpy as np
import orjson

from deepfake_serving.contracts.problems import InvalidRequest, Problem
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction.predictor import Tensor
from deepfake_serving.runtime.version import NAME, VERSION
from model_handlers.wire import FLAGS, MAX_ITEMS, join_bytes, split_bytes

EXTENSIONS = (
    "binary_tensor_data",
    "model_repository",
    "model_configuration",
    "statistics",
)
PER_ITEM = ("faces", "face_px")
"""The parameters of a request with an entry for each item; `FLAGS` are those of all."""
PLATFORM = "torchserve_mar"

_NUMPY = {"FP32": np.float32, "INT32": np.int32}
_MAX_DIMENSIONS = 8
_MAX_OUTPUTS = 8


@dataclass(frozen=True, slots=True)
class Input:
    """An input tensor in raw form: BYTES elements prefixed with their lengths, UINT8 unchanged."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Output:
    """An output tensor; `values` are flat: numbers, or text for BYTES."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Sequence[Any]

    def raw(self) -> bytes:
        """Returns the binary form, little-endian."""
        if self.datatype == "BYTES":
            return join_bytes([value.encode() for value in self.values])
        return np.asarray(self.values, dtype=_NUMPY[self.datatype]).tobytes()


def server_metadata() -> dict[str, Any]:
    return {"name": NAME, "version": VERSION, "extensions": list(EXTENSIONS)}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """Returns inputs and outputs, -1 for variable sizes; UINT8 (n, h, w, 3) works, too."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": [{"name": input_name(model), "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": o.name, "datatype": o.datatype, "shape": [-1, *o.shape[1:]]}
            for o in outputs(model, [])
        ],
    }


def check_counts(inputs: int, outputs: int) -> None:
    """Checks the numbers of inputs and outputs, before their content is read.

    Raises:
        InvalidRequest: not one input, or more outputs than any model has.
    """
    if inputs != 1:
        raise InvalidRequest(f"one input was expected, not {inputs}")
    if outputs > _MAX_OUTPUTS:
        raise InvalidRequest(f"{outputs} outputs are requested; no model has that many")


def input_name(model: ServedModel) -> str:
    return "crops" if model.task == "classifier" else "images"


def tensor_of(model: ServedModel, given: Input, parameters: dict[str, Any] | None = None) -> Tensor:
    """Converts an input to the tensor of a model. With `faces`, all models take images.

    Raises:
        InvalidRequest: another name, type or shape, or data of another size.
    """
    per_item = item_parameters(parameters or {})
    expected = input_name(model)
    if given.name not in (expected, *(["images"] if "faces" in per_item else [])):
        raise InvalidRequest(f"an input named {expected!r} was expected, not {given.name!r}")
    if len(given.shape) > _MAX_DIMENSIONS:
        raise InvalidRequest(f"a shape has at most {_MAX_DIMENSIONS} dimensions")
    if any(side < 1 for side in given.shape) or not given.shape:
        raise InvalidRequest(f"the shape {list(given.shape)} has no elements")
    if given.datatype == "BYTES":
        count = len(split_bytes(given.raw))
        if count != prod(given.shape):
            raise InvalidRequest(f"{count} elements can't fill the shape {list(given.shape)}")
        return Tensor("BYTES", (count,), given.raw, per_item)
    if given.datatype != "UINT8":
        raise InvalidRequest(f"an input of type BYTES or UINT8 was expected, not {given.datatype}")
    shape = (1, *given.shape) if len(given.shape) == 3 else given.shape
    if len(shape) != 4 or shape[3] != 3:
        raise InvalidRequest(f"a UINT8 input is (n, height, width, 3), not {list(given.shape)}")
    if prod(shape) != len(given.raw):
        raise InvalidRequest(f"{len(given.raw)} bytes can't fill the shape {list(given.shape)}")
    return Tensor("UINT8", shape, given.raw, per_item)


def raw_from_json(datatype: str, data: Any) -> bytes:
    """Converts a tensor's JSON data to raw form; BYTES elements are base64.

    Raises:
        InvalidRequest: the data are malformed.
    """
    try:
        if datatype == "BYTES":
            texts = islice(_flat(data), MAX_ITEMS + 1)
            return join_bytes([base64.b64decode(text, validate=True) for text in texts])
        if datatype == "UINT8":
            # as objects: in a string array one long text would widen every element
            numbers = np.asarray(data, dtype=object).ravel().tolist()
            if not set(map(type, numbers)) <= {int}:
                raise InvalidRequest("UINT8 data are whole numbers from 0 to 255")
            return bytes(numbers)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidRequest(f"the {datatype} data can't be read: {error}") from error
    raise InvalidRequest(f"an input of type BYTES or UINT8 was expected, not {datatype}")


def outputs(model: ServedModel, results: Sequence[dict[str, Any] | Problem]) -> list[Output]:
    """Converts results to output tensors.

    `result` is each image's whole JSON. Where an image was a problem, `verdict` is "problem",
    `fake_probability` NaN, `face_count` -1, and `result` the problem's document.
    """
    n = len(results)
    good = [{} if isinstance(r, Problem) else r for r in results]
    documents = [
        orjson.dumps(r.to_dict() if isinstance(r, Problem) else r).decode() for r in results
    ]
    whole = Output("result", "BYTES", (n,), documents)
    if model.task == "faces":
        return [*_face_outputs(good), whole]
    probabilities = [g.get("fake_probability") for g in good]
    return [
        Output("fake_probability", "FP32", (n,), [nan if p is None else p for p in probabilities]),
        Output("verdict", "BYTES", (n,), [g.get("verdict", "problem") for g in good]),
        whole,
    ]


def choose(available: Sequence[Output], requested: Sequence[str]) -> list[Output]:
    """Returns the requested outputs in order; all if none is named.

    Raises:
        InvalidRequest: an unknown output, or one requested twice.
    """
    by_name = {output.name: output for output in available}
    unknown = [name for name in requested if name not in by_name]
    if unknown:
        raise InvalidRequest(f"there is no output {unknown[0]!r}; there are: {', '.join(by_name)}")
    if len(set(requested)) != len(requested):
        raise InvalidRequest("an output is requested twice")
    return [by_name[name] for name in requested] if requested else list(available)


def options_header(parameters: dict[str, Any]) -> str | None:
    """Returns the workers' options header for the parameters that are true or false."""
    flags = {name: parameters[name] for name in FLAGS if parameters.get(name) is not None}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidRequest(f"the parameter {name} must be true or false")
    return json.dumps(flags) if flags else None


def item_parameters(parameters: dict[str, Any]) -> dict[str, str]:
    """Returns the parameters with an entry for each item, which are JSON: `faces`, `face_px`."""
    given = {name: parameters[name] for name in PER_ITEM if parameters.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"the parameter {name} must be JSON as text")
    return given


def _face_outputs(good: Sequence[dict[str, Any]]) -> list[Output]:
    """Concatenates all images' faces; `face_count` is the number of each image."""
    faces = [face for result in good for face in result.get("faces", ())]
    k = len(faces)
    counts = [len(result["faces"]) if result else -1 for result in good]
    return [
        Output("face_count", "INT32", (len(good),), counts),
        Output("boxes", "FP32", (k, 4), [v for face in faces for v in face["box"]]),
        Output(
            "landmarks", "FP32", (k, 5, 2), [v for f in faces for p in f["landmarks"] for v in p]
        ),
        Output("detection_confidence", "FP32", (k,), [f["detection_confidence"] for f in faces]),
    ]


def _flat(data: Any) -> Iterator[Any]:
    """Yields the leaves of nested lists in order, at any depth."""
    levels, lists = [iter([data])], 0
    while levels:
        for part in levels[-1]:
            if isinstance(part, list):
                lists += 1
                if lists > MAX_ITEMS:
                    raise InvalidRequest("the data are nested too deeply")
                levels.append(iter(part))
                break
            yield part
        else:
            levels.pop()
