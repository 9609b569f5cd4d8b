"""The Open Inference Protocol over REST: JSON, the binary extension, and every malformed body."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge, UndecodableMedia
from deepfake_serving.model_server.http.oip_routes import (
    LENGTH_HEADER,
    MAX_JSON_BYTES,
    InferRequest,
    read_request,
    write_response,
)
from deepfake_serving.model_server.prediction.oip import Input, Output, outputs
from model_handlers.wire import join_bytes, split_bytes
from tests.support.served_models import served_model

DETECTOR = served_model("detector")
TEXT = {"name": "images", "datatype": "BYTES", "shape": [1], "data": ["YWJj"]}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def binary(tensor: dict[str, Any], raw: bytes, **more: Any) -> tuple[bytes, str]:
    """Builds a binary request: its body and header."""
    described = {"name": "images"} | tensor | {"parameters": {"binary_data_size": len(raw)}}
    head = encoded({"inputs": [described]} | more)
    return head + raw, str(len(head))


def refusal(body: bytes, length: str | None = None) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_request(body, length)
    orjson.dumps(caught.value.to_dict())
    return caught.value.detail


# Requests ----------------------------------------------------------------------------------------


def test_json_is_read() -> None:
    request = read_request(
        encoded(
            {
                "id": "7",
                "parameters": {"crops": True},
                "inputs": [TEXT],
                "outputs": [{"name": "verdict"}],
            }
        ),
        None,
    )
    assert request == InferRequest(
        "7",
        {"crops": True},
        Input("images", "BYTES", (1,), join_bytes([b"abc"])),
        [("verdict", False)],
        False,
    )


def test_only_inputs_are_needed() -> None:
    request = read_request(encoded({"inputs": [TEXT]}), None)
    assert (request.id, request.parameters, request.outputs) == (None, {}, [])


@given(raw=st.binary(max_size=100))
def test_binary_data_after_the_json_is_read(raw: bytes) -> None:
    body, length = binary({"datatype": "UINT8", "shape": [len(raw)]}, raw)
    assert read_request(body, length).input == Input("images", "UINT8", (len(raw),), raw)


def test_the_binary_data_header_is_allowed_with_json_alone() -> None:
    body = encoded({"inputs": [TEXT]})
    assert read_request(body, str(len(body))).input.raw == join_bytes([b"abc"])


@pytest.mark.parametrize(
    ("all_of_them", "this_one", "wanted"),
    [
        (None, None, False),
        (True, None, True),
        (None, True, True),
        (True, False, False),
        (False, True, True),
        (1, None, False),
        (None, "true", False),
    ],
)
def test_outputs_are_binary_if_requested_for_all_or_one(
    all_of_them: Any, this_one: Any, wanted: bool
) -> None:
    document = {
        "inputs": [TEXT],
        "parameters": {} if all_of_them is None else {"binary_data_output": all_of_them},
        "outputs": [
            {"name": "verdict"}
            | ({} if this_one is None else {"parameters": {"binary_data": this_one}})
        ],
    }
    assert read_request(encoded(document), None).outputs == [("verdict", wanted)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"inputs": [NaN]}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "the body: a JSON object was expected"),
        (b"null", "the body: a JSON object was expected"),
        (b"{}", "inputs: a JSON list was expected"),
        (encoded({"inputs": {}}), "inputs: a JSON list was expected"),
        (encoded({"inputs": []}), "one input was expected, not 0"),
        (encoded({"inputs": [TEXT, TEXT]}), "one input was expected, not 2"),
        (encoded({"inputs": [5]}), "an input: a JSON object was expected"),
        (encoded({"inputs": [TEXT], "parameters": []}), "parameters: a JSON object"),
        (encoded({"inputs": [TEXT], "outputs": {}}), "outputs: a JSON list was expected"),
        (encoded({"inputs": [TEXT], "outputs": ["a"]}), "an output: a JSON object"),
        (encoded({"inputs": [TEXT], "outputs": [{}]}), "needs a name"),
        (encoded({"inputs": [TEXT], "outputs": [{"name": "a"}] * 9}), "9 outputs"),
        (encoded({"inputs": [TEXT | {"name": None}]}), "needs a name and a datatype"),
        (encoded({"inputs": [TEXT | {"datatype": 5}]}), "needs a name and a datatype"),
        (encoded({"inputs": [TEXT | {"shape": None}]}), "shape: a JSON list"),
        (encoded({"inputs": [TEXT | {"shape": [1.0]}]}), "whole numbers"),
        (encoded({"inputs": [TEXT | {"shape": [True]}]}), "whole numbers"),
        (encoded({"inputs": [TEXT | {"shape": [-1]}]}), "whole numbers"),
        (encoded({"inputs": [TEXT | {"shape": [2**31]}]}), "whole numbers"),
        (encoded({"inputs": [TEXT | {"parameters": 5}]}), "parameters: a JSON object"),
        (encoded({"inputs": [TEXT | {"data": ["*"]}]}), "can't be read"),
        (encoded({"inputs": [{"name": "a", "datatype": "BYTES", "shape": [1]}]}), "can't be read"),
        (encoded({"inputs": [TEXT | {"parameters": {"binary_data_size": 1}}]}), "0 bytes follow"),
    ],
)
def test_a_malformed_body_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    assert reason in refusal(body)


@pytest.mark.parametrize("size", [None, -1, 2, 4, 3.0, "3", True, 10**30])
def test_binary_data_of_another_size_than_stated_is_refused(size: Any) -> None:
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1]}
    head = encoded({"inputs": [tensor | {"parameters": {"binary_data_size": size}}]})
    assert "3 bytes follow the JSON part" in refusal(head + b"abc", str(len(head)))


@pytest.mark.parametrize(
    "length", ["", "-1", "+1", " 1", "1.0", "x", "0x10", "²", "١", "1000", "9" * 5000]
)
def test_an_invalid_header_length_or_one_beyond_the_body_is_refused(length: str) -> None:
    assert LENGTH_HEADER in refusal(encoded({"inputs": [TEXT]}), length)


def test_a_header_length_that_cuts_the_json_is_refused() -> None:
    body, _ = binary({"datatype": "UINT8", "shape": [3]}, b"abc")
    assert "not JSON" in refusal(body, "10")
    assert "not JSON" in refusal(body, "0")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=4),
    lambda leaves: (
        st.lists(leaves, max_size=3) | st.dictionaries(st.text(max_size=3), leaves, max_size=3)
    ),
    max_leaves=8,
)
PARAMETERS = (
    st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 12), "crops": ANY})
    | ANY
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("images") | ANY,
        "datatype": st.sampled_from(["BYTES", "UINT8"]) | ANY,
        "shape": st.lists(st.integers(0, 4), max_size=4) | ANY,
        "data": st.lists(st.integers(0, 255) | st.just("YQ=="), max_size=4) | ANY,
        "parameters": PARAMETERS,
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(TENSOR, max_size=2) | ANY},
    optional={
        "id": ANY,
        "parameters": PARAMETERS,
        "outputs": st.lists(
            st.fixed_dictionaries({"name": st.just("verdict") | ANY}, optional={"parameters": ANY}),
            max_size=2,
        )
        | ANY,
    },
)


@given(document=REQUEST | ANY, raw=st.binary(max_size=12), off=st.integers(-2, 2) | st.none())
def test_any_request_is_read_or_refused(document: Any, raw: bytes, off: int | None) -> None:
    head = encoded(document)
    length = None if off is None else str(len(head) + off)
    try:
        request = read_request(head + raw, length)
    except InvalidRequest as problem:
        orjson.dumps(problem.to_dict())
        return
    assert isinstance(request.input, Input)
    write_response(DETECTOR, request, outputs(DETECTOR, []), "id-1")


@given(body=st.binary(max_size=50), length=st.text(max_size=4) | st.none())
def test_any_bytes_are_read_or_refused(body: bytes, length: str | None) -> None:
    with pytest.raises(InvalidRequest):
        read_request(body, length)


# Responses ---------------------------------------------------------------------------------------


def infer_request(
    *wanted: tuple[str, bool], by_default: bool = False, id: str | None = None
) -> Any:
    given_input = Input("images", "BYTES", (1,), b"")
    return InferRequest(id, {}, given_input, list(wanted), by_default)


def body_of(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def test_json_is_returned_unless_binary_was_requested() -> None:
    found = outputs(DETECTOR, [{"verdict": "real", "fake_probability": 0.25}])
    response = write_response(DETECTOR, infer_request(), found[:2], "id-1")
    assert response.content_type == "application/json"
    assert LENGTH_HEADER not in response.headers
    assert orjson.loads(body_of(response)) == {
        "model_name": "detector",
        "model_version": "1.0",
        "id": "id-1",
        "outputs": [
            {"name": "fake_probability", "datatype": "FP32", "shape": [1], "data": [0.25]},
            {"name": "verdict", "datatype": "BYTES", "shape": [1], "data": ["real"]},
        ],
    }


@pytest.mark.parametrize(("given_id", "completed"), [("7", "7"), (None, "id-1"), ("", "id-1")])
def test_the_id_of_the_client_is_returned_or_a_generated_one(
    given_id: str | None, completed: str
) -> None:
    response = write_response(DETECTOR, infer_request(id=given_id), [], "id-1")
    assert orjson.loads(body_of(response))["id"] == completed


def test_nan_is_null_in_json_and_kept_in_binary() -> None:
    found = outputs(DETECTOR, [UndecodableMedia("broken")])[:1]
    response = write_response(DETECTOR, infer_request(), found, "id-1")
    (tensor,) = orjson.loads(body_of(response))["outputs"]
    assert tensor["data"] == [None]
    response = write_response(DETECTOR, infer_request(by_default=True), found, "id-1")
    head = int(response.headers[LENGTH_HEADER])
    assert math.isnan(np.frombuffer(body_of(response)[head:], np.float32)[0])


def test_infinity_is_null_in_json() -> None:
    infinite = [Output("fake_probability", "FP32", (2,), [math.inf, -math.inf])]
    response = write_response(DETECTOR, infer_request(), infinite, "id-1")
    assert orjson.loads(body_of(response))["outputs"][0]["data"] == [None, None]


@pytest.mark.parametrize(
    ("wanted", "by_default", "raw"),
    [
        ([], True, {"fake_probability", "verdict", "result"}),
        ([("verdict", True), ("result", False)], False, {"verdict"}),
        ([("verdict", False), ("result", True)], True, {"fake_probability", "result"}),
    ],
)
def test_binary_outputs_follow_the_json_in_order(
    wanted: list[tuple[str, bool]], by_default: bool, raw: set[str]
) -> None:
    results: list[dict[str, Any] | Problem] = [
        {"verdict": "real", "fake_probability": 0.25},
        UndecodableMedia("broken"),
    ]
    found = outputs(DETECTOR, results)
    response = write_response(
        DETECTOR, infer_request(*wanted, by_default=by_default), found, "id-1"
    )
    assert response.content_type == "application/octet-stream"
    at = int(response.headers[LENGTH_HEADER])
    body = body_of(response)
    tensors = orjson.loads(body[:at])["outputs"]
    assert {t["name"] for t in tensors if "parameters" in t} == raw
    for tensor, output in zip(tensors, found, strict=True):
        if tensor["name"] not in raw:
            assert "data" in tensor
            continue
        assert "data" not in tensor
        size = tensor["parameters"]["binary_data_size"]
        assert body[at : at + size] == output.raw()
        at += size
    assert at == len(body)


@given(elements=st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_binary_and_json_outputs_are_equal(elements: list[bytes]) -> None:
    tensor = {"datatype": "BYTES", "shape": [len(elements)]}
    body, length = binary(tensor, join_bytes(elements))
    texts = [base64.b64encode(element).decode() for element in elements]
    as_json = encoded({"inputs": [tensor | {"name": "images", "data": texts}]})
    assert read_request(body, length) == read_request(as_json, None)
    assert split_bytes(read_request(body, length).input.raw) == elements


def test_json_has_a_limit_of_its_own_and_binary_data_do_not_count() -> None:
    """28 MB of numbers block the process for half a second, while health checks wait."""
    data = b"0," * (MAX_JSON_BYTES // 2) + b"0"
    tensor = b'{"inputs": [{"name": "image", "shape": [1], "datatype": "UINT8", "data": [%b]}]}'
    with pytest.raises(TooLarge, match="send binary tensors"):
        read_request(tensor % data, None)
    head = orjson.dumps(
        {
            "inputs": [
                {
                    "name": "image",
                    "shape": [MAX_JSON_BYTES],
                    "datatype": "UINT8",
                    "parameters": {"binary_data_size": MAX_JSON_BYTES},
                }
            ]
        }
    )
    request = read_request(head + bytes(MAX_JSON_BYTES), str(len(head)))
    assert len(request.input.raw) == MAX_JSON_BYTES
