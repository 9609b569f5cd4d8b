"""The Open Inference Protocol for ensembles, with JSON or binary input, and JSON output.

https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson

from deepfake_serving.contracts.inference import IMAGES_HEADER
from deepfake_serving.contracts.problems import InvalidRequest, Problem, UnknownModel
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.ensembles.verdicts import MemberResult
from deepfake_serving.gateway.upstream.client import UpstreamResponse
from deepfake_serving.gateway.upstream.frames import Tensor

LENGTH_HEADER = "Inference-Header-Content-Length"
OUTPUTS = {"fake_probability": "FP32", "verdict": "BYTES", "result": "BYTES"}
"""The names and types of a detector's outputs."""


def read_tensor(body: bytes, length: str | None) -> tuple[dict[str, Any], Tensor]:
    """Returns the JSON of a request, and its only input; a member checks the rest.

    Args:
        length: of the JSON, if the tensor follows it.

    Raises:
        InvalidRequest
    """
    digits = length is None or (length.isascii() and length.isdigit() and len(length) < 20)
    if not digits:
        raise InvalidRequest(f"{LENGTH_HEADER} is not a length within the body")
    size = len(body) if length is None else int(length)
    try:
        head = orjson.loads(body[:size])
        (given,) = head["inputs"]
        datatype, shape = given["datatype"], given["shape"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InvalidRequest("the body is not a request with one input") from error
    outputs = head.get("outputs", [])
    known = isinstance(outputs, list) and all(
        isinstance(o, dict) and o.get("name") in OUTPUTS for o in outputs
    )
    if not known:
        raise InvalidRequest(f"outputs of an ensemble are: {', '.join(OUTPUTS)}")
    if len({output["name"] for output in outputs}) != len(outputs):
        raise InvalidRequest("an output is requested twice")
    raw = memoryview(body)[size:]
    return head, Tensor(datatype, shape, [raw] if len(raw) else [], given)


def explains(head: dict[str, Any]) -> bool:
    """Returns whether a request asks for heatmaps.

    Raises:
        InvalidRequest
    """
    parameters = head.get("parameters") or {}
    explain = parameters.get("explain", False) if isinstance(parameters, dict) else None
    if not isinstance(explain, bool):
        raise InvalidRequest("the parameter explain must be true or false")
    return explain


def write_results(
    spec: EnsembleSpec, head: dict[str, Any], results: Sequence[MemberResult], request_id: str
) -> UpstreamResponse:
    """Returns the response, with the outputs that were requested, as a detector's."""
    names = [output["name"] for output in head.get("outputs", [])] or list(OUTPUTS)
    columns = {
        "fake_probability": [_of(result, "fake_probability", None) for result in results],
        "verdict": [_of(result, "verdict", "problem") for result in results],
        "result": [_document(result) for result in results],
    }
    outputs = [
        {"name": name, "datatype": OUTPUTS[name], "shape": [len(results)], "data": columns[name]}
        for name in names
    ]
    document = {
        "model_name": spec.name,
        "model_version": spec.version,
        "id": head.get("id") or request_id,
        "outputs": outputs,
    }
    response = json_response(document)
    return replace(response, headers={**response.headers, IMAGES_HEADER: str(len(results))})


def metadata(spec: EnsembleSpec) -> UpstreamResponse:
    """Returns the inputs and outputs of the ensemble."""
    outputs = [{"name": n, "datatype": t, "shape": [-1]} for n, t in OUTPUTS.items()]
    document = {
        "name": spec.name,
        "versions": [spec.version],
        "platform": "ensemble",
        "inputs": [{"name": "images", "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs,
    }
    return json_response(document)


def check_version(spec: EnsembleSpec, path: str) -> None:
    """Refuses a path with another version of the ensemble; its integer part is the same.

    Raises:
        UnknownModel
    """
    _, _, after = path.partition("/versions/")
    version = unquote(after.partition("/")[0])
    if after and version not in (spec.version, spec.version.partition(".")[0]):
        raise UnknownModel(f"{spec.name} is served in version {spec.version}, not {version!r}")


def json_response(document: object) -> UpstreamResponse:
    return UpstreamResponse(200, {"Content-Type": "application/json"}, orjson.dumps(document))


def _of(result: MemberResult, name: str, otherwise: str | None) -> Any:
    return otherwise if isinstance(result, Problem) else result[name]


def _document(result: MemberResult) -> str:
    return orjson.dumps(result.to_dict() if isinstance(result, Problem) else result).decode()
