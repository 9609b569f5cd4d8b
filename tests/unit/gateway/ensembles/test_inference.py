"""The Open Inference Protocol's requests for ensembles, and their responses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from deepfake_serving.contracts.inference import images_of
from deepfake_serving.contracts.problems import InvalidRequest, UndecodableMedia
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.gateway.ensembles.inference import explains, read_tensor, write_results
from deepfake_serving.gateway.upstream.frames import infer_header

SPEC = EnsembleSpec.model_validate(
    {"name": "pair", "version": "1.0", "members": [{"model": "a"}, {"model": "b"}]}
)
INPUT = {"name": "images", "datatype": "BYTES", "shape": [1], "data": ["aGVsbG8="]}


def test_json_data_stay_in_the_description_of_the_input() -> None:
    head, tensor = read_tensor(orjson.dumps({"inputs": [INPUT], "id": "x"}), None)
    assert (head["id"], tensor.nbytes) == ("x", 0)
    sent = orjson.loads(infer_header(tensor, "id-1", {"full_precision": True}))
    assert sent["inputs"] == [INPUT]
    assert sent["parameters"] == {"full_precision": True}


def test_binary_data_follow_the_json() -> None:
    described = {**INPUT, "parameters": {"binary_data_size": 9}}
    head = orjson.dumps({"inputs": [described]})
    _, tensor = read_tensor(head + b"\x05\0\0\0hello", str(len(head)))
    assert b"".join(tensor.buffers) == b"\x05\0\0\0hello"


@pytest.mark.parametrize(
    ("document", "length"),
    [
        ([], None),
        ({}, None),
        ({"inputs": []}, None),
        ({"inputs": [INPUT, INPUT]}, None),
        ({"inputs": ["x"]}, None),
        ({"inputs": [INPUT], "outputs": [{"name": "logit"}]}, None),
        ({"inputs": [INPUT], "outputs": "result"}, None),
        ({"inputs": [INPUT]}, "-1"),
        ({"inputs": [INPUT]}, "5"),
    ],
)
def test_malformed_requests_are_refused(document: Any, length: str | None) -> None:
    with pytest.raises(InvalidRequest):
        read_tensor(orjson.dumps(document), length)


def test_results_are_the_outputs_of_a_detector() -> None:
    verdict = {"fake_probability": 0.7, "verdict": "fake", "faces": []}
    results = [verdict, UndecodableMedia("broken")]
    response = write_results(SPEC, {}, results, "id-1")
    assert images_of(response.headers.items()) == len(results)
    document = orjson.loads(response.body)
    outputs = {output["name"]: output["data"] for output in document["outputs"]}
    assert outputs["fake_probability"] == [0.7, None]
    assert outputs["verdict"] == ["fake", "problem"]
    assert orjson.loads(outputs["result"][0]) == verdict
    assert (document["model_name"], document["id"]) == ("pair", "id-1")
    only = orjson.loads(write_results(SPEC, {"outputs": [{"name": "verdict"}]}, results, "x").body)
    assert [output["name"] for output in only["outputs"]] == ["verdict"]


@pytest.mark.parametrize("parameters", ["x", [1], {"explain": "yes"}, {"explain": 1}])
def test_malformed_parameters_are_refused(parameters: Any) -> None:
    with pytest.raises(InvalidRequest, match="explain"):
        explains({"parameters": parameters})


def test_heatmaps_are_requested_by_a_parameter() -> None:
    assert explains({"parameters": {"explain": True}})
    assert not explains({"parameters": {"explain": False}})
    assert not explains({"parameters": None})
