"""The Open Inference Protocol by REST: JSON, its binary extension, and everything malformed."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import httpx
import numpy as np
import pytest

from model_handlers.pipeline.decode import Pixels
from tests.support.images import doubled, jpeg
from tests.support.paths import MODELS
from tests.support.requests import (
    BAD_IMAGES,
    MAX_BODY,
    MAX_ITEMS,
    binary,
    encoded,
    problem_of,
    same,
    split,
    tensors,
)
from tests.support.versions import VERSIONS

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("unhurt")]

INFER = "/v2/models/detector/infer"
TEXT = b"a text"


def results(reply: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the parsed result of each image."""
    return [json.loads(text) for text in reply["result"]["data"]]


# metadata and health


def test_the_server_describes_itself(http: httpx.Client) -> None:
    document = http.get("/v2").json()
    assert document["name"] == "deepfake-serving"
    assert document["extensions"] == [
        "binary_tensor_data",
        "model_repository",
        "model_configuration",
        "statistics",
    ]


def model_path(model: str, versioned: bool) -> str:
    version = f"/versions/{VERSIONS[model]}" if versioned else ""
    return f"/v2/models/{model}{version}"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("versioned", [False, True])
def test_a_model_describes_exactly_what_it_returns(
    http: httpx.Client, astronaut_jpeg: bytes, model: str, versioned: bool
) -> None:
    path = model_path(model, versioned)
    described = http.get(path).json()
    assert described["name"] == model
    assert described["versions"] == [VERSIONS[model]]
    name = "crops" if model == "classifier" else "images"
    assert described["inputs"] == [{"name": name, "datatype": "BYTES", "shape": [-1]}]
    document = tensors(http.post(path + "/infer", json=encoded(astronaut_jpeg, name=name)))
    assert list(document) == [output["name"] for output in described["outputs"]]
    for output in described["outputs"]:
        given = document[output["name"]]
        assert given["datatype"] == output["datatype"]
        assert len(given["shape"]) == len(output["shape"])
        assert given["shape"][1:] == output["shape"][1:]
        assert math.prod(given["shape"]) == len(given["data"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("versioned", [False, True])
def test_a_model_is_ready(http: httpx.Client, model: str, versioned: bool) -> None:
    response = http.get(f"{model_path(model, versioned)}/ready")
    assert response.status_code == 200
    assert response.json() == {"name": model, "ready": True}


@pytest.mark.parametrize("path", ["nobody", "detector/versions/2.0", "DETECTOR", "%00", "%ff"])
@pytest.mark.parametrize("what", ["", "/ready", "/infer"])
def test_an_unknown_model_is_not_found(http: httpx.Client, path: str, what: str) -> None:
    method = "POST" if what == "/infer" else "GET"
    problem_of(http.request(method, f"/v2/models/{path}{what}"), 404, "unknown-model")


# successes


def test_encoded_images_are_classified_as_by_rest(
    http: httpx.Client, astronaut_jpeg: bytes, three_faces_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    images = [astronaut_jpeg, three_faces_jpeg, no_face_jpeg]
    response = http.post(INFER, json=encoded(*images, id="mine"))
    document = tensors(response)
    assert response.json()["id"] == "mine"
    assert response.json()["model_name"] == "detector"
    assert response.json()["model_version"] == VERSIONS["detector"]
    alone = [http.post("/predictions/detector", content=p).json() for p in images]
    for classified, plain in zip(results(document), alone, strict=True):
        assert len(classified["faces"]) == len(plain["faces"])
        assert classified["verdict"] == plain["verdict"]
        if plain["fake_probability"] is not None:
            assert classified["fake_probability"] == pytest.approx(
                plain["fake_probability"], abs=1e-3
            )
    assert document["verdict"]["data"] == [
        classified["verdict"] for classified in results(document)
    ]
    given = document["fake_probability"]["data"]
    assert given == [classified["fake_probability"] for classified in results(document)]
    assert given[2] is None


def test_json_and_binary_inputs_give_the_same_result(
    http: httpx.Client, astronaut_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    images = [astronaut_jpeg, no_face_jpeg]
    as_json = tensors(http.post(INFER, json=encoded(*images)))
    body, headers = binary(*images)
    as_binary = tensors(http.post(INFER, content=body, headers=headers))
    assert [same(r) for r in results(as_binary)] == [same(r) for r in results(as_json)]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("shape", [[1], [1, 1]])
def test_one_image_may_be_nested(
    http: httpx.Client, no_face_jpeg: bytes, shape: list[int], nested: bool
) -> None:
    request = encoded(no_face_jpeg)
    tensor = request["inputs"][0] | {"shape": shape}
    if nested:
        tensor["data"] = [tensor["data"]]
    document = tensors(http.post(INFER, json={"inputs": [tensor]}))
    assert document["verdict"] == {
        "name": "verdict",
        "datatype": "BYTES",
        "shape": [1],
        "data": ["no_face"],
    }


def test_pixels_are_classified_with_and_without_a_batch_axis(
    http: httpx.Client, astronaut: Pixels
) -> None:
    one = results(tensors(post_binary(http, astronaut)))
    batch = results(tensors(post_binary(http, astronaut[None])))
    assert len(one) == len(batch) == 1
    assert same(one[0]) == same(batch[0])
    assert len(one[0]["faces"]) == 1
    two = results(tensors(post_binary(http, np.stack([astronaut, astronaut]))))
    assert [len(r["faces"]) for r in two] == [1, 1]


def test_pixels_may_be_json(http: httpx.Client, astronaut: Pixels) -> None:
    small = astronaut[::4, ::4]
    flat = {"name": "images", "datatype": "UINT8", "shape": [1, *small.shape]}
    for data in (small.tolist(), small.ravel().tolist()):
        document = tensors(http.post(INFER, json={"inputs": [flat | {"data": data}]}))
        assert results(document)[0]["width"] == small.shape[1]


def post_binary(http: httpx.Client, *images: bytes | np.ndarray) -> httpx.Response:
    body, headers = binary(*images)
    return http.post(INFER, content=body, headers=headers)


def read_binary(response: httpx.Response) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Returns the JSON part and the raw outputs by name."""
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    head, rest = json.loads(response.content[:length]), response.content[length:]
    raws = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is not None:
            raws[output["name"]], rest = rest[:size], rest[size:]
    assert rest == b""
    return head, raws


def test_outputs_may_be_binary(
    http: httpx.Client, astronaut_jpeg: bytes, no_face_jpeg: bytes
) -> None:
    body = encoded(astronaut_jpeg, no_face_jpeg, parameters={"binary_data_output": True})
    head, raws = read_binary(http.post(INFER, json=body))
    assert [output["name"] for output in head["outputs"]] == list(raws)
    assert all("data" not in output for output in head["outputs"])
    detected = [json.loads(element) for element in split(raws["result"])]
    probabilities = np.frombuffer(raws["fake_probability"], "<f4")
    assert probabilities[0] == np.float32(detected[0]["fake_probability"])
    assert np.isnan(probabilities[1])
    assert split(raws["verdict"]) == [detected[0]["verdict"].encode(), b"no_face"]


def test_each_output_may_be_binary_or_not(http: httpx.Client, no_face_jpeg: bytes) -> None:
    outputs = [
        {"name": "result", "parameters": {"binary_data": False}},
        {"name": "verdict", "parameters": {"binary_data": True}},
    ]
    head, raws = read_binary(http.post(INFER, json=encoded(no_face_jpeg, outputs=outputs)))
    assert [output["name"] for output in head["outputs"]] == ["result", "verdict"]
    assert json.loads(head["outputs"][0]["data"][0])["verdict"] == "no_face"
    assert raws == {"verdict": b"\x07\x00\x00\x00no_face"}


def test_only_requested_outputs_are_returned_in_order(
    http: httpx.Client, no_face_jpeg: bytes
) -> None:
    body = encoded(no_face_jpeg, outputs=[{"name": "verdict"}, {"name": "fake_probability"}])
    assert list(tensors(http.post(INFER, json=body))) == ["verdict", "fake_probability"]


@pytest.mark.parametrize("bad", [name for name in BAD_IMAGES if name != "empty"])
def test_a_bad_image_is_a_problem_at_its_position(
    http: httpx.Client, astronaut_jpeg: bytes, no_face_jpeg: bytes, bad: str
) -> None:
    content, status, slug = BAD_IMAGES[bad]
    document = tensors(http.post(INFER, json=encoded(astronaut_jpeg, content, no_face_jpeg)))
    assert document["verdict"]["data"][1:] == ["problem", "no_face"]
    assert document["fake_probability"]["data"][1] is None
    good, problem, empty = results(document)
    assert len(good["faces"]) == 1
    assert problem["status"] == status
    assert problem["type"].endswith(slug)
    assert empty["faces"] == []


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("model", MODELS)
def test_a_single_bad_image_is_the_problem_of_the_request(
    http: httpx.Client, model: str, name: str
) -> None:
    content, status, slug = BAD_IMAGES[name]
    tensor = "crops" if model == "classifier" else "images"
    body = encoded(content, name=tensor)
    problem_of(http.post(f"/v2/models/{model}/infer", json=body), status, slug)


def test_all_images_may_be_bad(http: httpx.Client) -> None:
    document = tensors(http.post(INFER, json=encoded(TEXT, b"", TEXT)))
    assert document["verdict"]["data"] == ["problem"] * 3
    assert [r["status"] for r in results(document)] == [415, 400, 415]


# the other models


def test_faces_of_many_images_are_counted(
    http: httpx.Client, three_faces_jpeg: bytes, no_face_jpeg: bytes, astronaut_jpeg: bytes
) -> None:
    images = [three_faces_jpeg, no_face_jpeg, TEXT, astronaut_jpeg]
    document = tensors(http.post("/v2/models/faces/infer", json=encoded(*images)))
    assert document["face_count"]["data"] == [3, 0, -1, 1]
    assert document["boxes"]["shape"] == [4, 4]
    assert document["landmarks"]["shape"] == [4, 5, 2]
    assert document["detection_confidence"]["shape"] == [4]
    found = [face for r in results(document) for face in r.get("faces", [])]
    assert np.reshape(document["boxes"]["data"], (4, 4)).tolist() == [f["box"] for f in found]
    assert all(face["crop"] is None for face in found)


def test_no_faces_give_an_empty_tensor(http: httpx.Client, no_face_jpeg: bytes) -> None:
    body = encoded(no_face_jpeg, parameters={"binary_data_output": True})
    head, raws = read_binary(http.post("/v2/models/faces/infer", json=body))
    shapes = {output["name"]: output["shape"] for output in head["outputs"]}
    assert shapes["boxes"] == [0, 4]
    assert shapes["landmarks"] == [0, 5, 2]
    assert raws["boxes"] == raws["landmarks"] == b""
    assert np.frombuffer(raws["face_count"], "<i4").tolist() == [0]


def test_the_classifier_accepts_crops_of_faces(http: httpx.Client, three_faces: Pixels) -> None:
    image = jpeg(doubled(three_faces))
    body = encoded(image, parameters={"crops": True})
    found = results(tensors(http.post("/v2/models/faces/infer", json=body)))[0]["faces"]
    crops = [base64.b64decode(face["crop"].partition(",")[2]) for face in found]
    assert len(crops) == 3
    body = encoded(*crops, name="crops")
    document = tensors(http.post("/v2/models/classifier/infer", json=body))
    detected = http.post("/predictions/detector", content=image).json()
    expected = [face["fake_probability"] for face in detected["faces"]]
    assert document["fake_probability"]["data"] == pytest.approx(expected, abs=1e-3)


# refusals


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"inputs"',
        b"{",
        b"{}",
        b"\xff\xfe",
        b"NaN",
        b'{"inputs": null}',
        b'{"inputs": {}}',
        b'{"inputs": []}',
        b'{"inputs": [null]}',
        b'{"inputs": [[]]}',
        b'{"inputs": [{}]}',
        b'{"inputs": [{"name": 1, "datatype": "BYTES", "shape": [1], "data": [""]}]}',
        b'{"inputs": [{"name": "images", "datatype": null, "shape": [1], "data": [""]}]}',
        b'{"inputs": [{"name": "images", "datatype": "BYTES", "data": [""]}]}',
        b'{"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1]}]}',
        b'{"inputs": [{"name": "\\ud800", "datatype": "BYTES", "shape": [1], "data": [""]}]}',
        b'{"inputs": ' + b"[" * 100_000,
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"id": ' + b'{"a":' * 100_000,
        b'{"inputs": [' + b"{}," * 100_000 + b"{}]}",
    ],
    ids=lambda body: repr(body[:70]),
)
def test_a_malformed_inference_request_is_refused(http: httpx.Client, body: bytes) -> None:
    problem_of(http.post(INFER, content=body), 400, "invalid-request")


DEEP: Any = "?"
for _ in range(900):
    DEEP = [DEEP]
LOT = [[]] * 100_000


@pytest.mark.parametrize(
    "change",
    [
        {"name": "photos"},
        {"name": "n" * 100_000},
        {"datatype": "FP32"},
        {"datatype": "bytes"},
        {"datatype": "B" * 100_000},
        {"shape": []},
        {"shape": [0]},
        {"shape": [2]},
        {"shape": [-1]},
        {"shape": [1.0]},
        {"shape": [True]},
        {"shape": ["1"]},
        {"shape": [[1]]},
        {"shape": 1},
        {"shape": "1"},
        {"shape": {"0": 1}},
        {"shape": [2**31]},
        {"shape": [2**70]},
        {"shape": [2**31 - 1, 2**31 - 1]},
        {"shape": [1] * 9},
        {"shape": [2**31 - 1] * 100_000},
        {"data": None},
        {"data": {}},
        {"data": [None]},
        {"data": [1]},
        {"data": [{}]},
        {"data": [True]},
        {"data": ["not base64!"]},
        {"data": ["YQ"]},
        {"data": ["Ã©"]},
        {"data": []},
        {"data": ["", ""]},
        {"data": DEEP},
        {"data": LOT},
        {"parameters": []},
        {"parameters": {"binary_data_size": 0}},
        {"parameters": {"binary_data_size": 1}},
        {"parameters": {"binary_data_size": -1}},
        {"parameters": {"binary_data_size": True}},
        {"parameters": {"binary_data_size": "4"}},
        {"parameters": {"binary_data_size": 2**70}},
    ],
    ids=lambda change: repr(change)[:60],
)
def test_a_malformed_encoded_input_is_refused(
    http: httpx.Client, no_face_jpeg: bytes, change: dict[str, Any]
) -> None:
    body = encoded(no_face_jpeg)
    body["inputs"][0] |= change
    problem = problem_of(http.post(INFER, json=body), 400, "invalid-request")
    assert len(problem["detail"].encode()) <= 503


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1, 1]},
        {"shape": [3]},
        {"shape": [1, 3, 1]},
        {"shape": [1, 1, 1, 1, 3]},
        {"shape": [1, 2, 3]},
        {"shape": [0, 1, 1, 3]},
        {"shape": [2**31 - 1, 2**31 - 1, 3]},
        {"data": [1, 2]},
        {"data": [1, 2, 256]},
        {"data": [1, 2, -1]},
        {"data": [1, 2, 3.0]},
        {"data": [1, 2, "3"]},
        {"data": [1, 2, None]},
        {"data": [True, False, True]},
        {"data": [1, 2, 2**63]},
        {"data": [1, 2, 2**64]},
        {"data": [-1, 2, 2**64 - 1]},
        {"data": [[1, 2], [3]]},
        {"data": [[1, 2], 3]},
        {"data": [{}, {}, {}]},
        {"data": "abc"},
        {"data": {"0": 1}},
        {"data": None},
        {"data": 1},
        {"data": []},
        {"data": [[], [], []]},
        {"data": DEEP},
    ],
    ids=lambda change: repr(change)[:60],
)
def test_malformed_pixels_are_refused(http: httpx.Client, change: dict[str, Any]) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 3], "data": [1, 2, 3]}
    assert http.post(INFER, json={"inputs": [tensor]}).status_code == 200
    response = http.post(INFER, json={"inputs": [tensor | change]})
    problem_of(response, 400, "invalid-request")


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": []},
        {"parameters": {"crops": 1}},
        {"parameters": {"crops": "true"}},
        {"outputs": {}},
        {"outputs": [1]},
        {"outputs": [{}]},
        {"outputs": [{"name": None}]},
        {"outputs": [{"name": "nothing"}]},
        {"outputs": [{"name": "n" * 100_000}]},
        {"outputs": [{"name": "boxes"}]},
        {"outputs": [{"name": "verdict"}, {"name": "verdict"}]},
        {"outputs": [{"name": "result"}] * 50_000},
        {"outputs": [{"name": "verdict", "parameters": 1}]},
    ],
    ids=lambda change: repr(change)[:60],
)
def test_malformed_options_are_refused(
    http: httpx.Client, no_face_jpeg: bytes, change: dict[str, Any]
) -> None:
    response = http.post(INFER, json=encoded(no_face_jpeg) | change)
    problem_of(response, 400, "invalid-request")


def test_an_unknown_output_is_refused_with_the_list_of_outputs(
    http: httpx.Client, no_face_jpeg: bytes
) -> None:
    response = http.post(INFER, json=encoded(no_face_jpeg, outputs=[{"name": "boxes"}]))
    problem = problem_of(response, 400, "invalid-request")
    assert "fake_probability, verdict, result" in problem["detail"]


@pytest.mark.parametrize("parameters", [{}, {"sequence_id": 7, "priority": "high"}])
def test_unknown_parameters_are_ignored(
    http: httpx.Client, no_face_jpeg: bytes, parameters: dict[str, Any]
) -> None:
    body = encoded(no_face_jpeg, parameters=parameters)
    body["inputs"][0]["parameters"] = {"content_type": "image/jpeg"}
    assert tensors(http.post(INFER, json=body))["verdict"]["data"] == ["no_face"]


@pytest.mark.parametrize("count", [MAX_ITEMS + 1, 4096, 100_000])
def test_too_many_images_are_refused(http: httpx.Client, count: int) -> None:
    response = http.post(INFER, json=encoded(*[b""] * count))
    problem_of(response, 413, "too-large")


@pytest.mark.parametrize("declared", [1, MAX_BODY // 4])
def test_millions_of_empty_images_are_refused_at_once(http: httpx.Client, declared: int) -> None:
    raw = bytes(MAX_BODY - 1000)
    tensor = {
        "name": "images",
        "datatype": "BYTES",
        "shape": [declared],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = http.post(INFER, content=head + raw, headers=headers)
    problem_of(response, 413, "too-large")
    assert response.elapsed.total_seconds() < 20


def test_too_many_pixels_in_a_tensor_are_too_many_images(http: httpx.Client) -> None:
    response = post_binary(http, np.zeros((MAX_ITEMS + 1, 4, 4, 3), np.uint8))
    problem_of(response, 413, "too-large")


def test_a_body_over_the_limit_is_refused(http: httpx.Client) -> None:
    problem_of(http.post(INFER, content=bytes(MAX_BODY + 1)), 413, "too-large")


@pytest.mark.parametrize(
    "length", ["x", "-1", "1.0", "", "0x1", "99999999", "1" * 5000, b"\xb2", "٣".encode()]
)
def test_an_invalid_header_length_is_refused(
    http: httpx.Client, no_face_jpeg: bytes, length: str | bytes
) -> None:
    headers: Any = {"Inference-Header-Content-Length": length}
    response = http.post(INFER, json=encoded(no_face_jpeg), headers=headers)
    problem_of(response, 400, "invalid-request")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00",
        b"\x01\x00\x00\x00",
        b"\xff\xff\xff\xffa",
        b"\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\x01\x00\x00\x00ab",
    ],
    ids=repr,
)
def test_raw_images_with_inconsistent_lengths_are_refused(http: httpx.Client, raw: bytes) -> None:
    tensor = {
        "name": "images",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = http.post(INFER, content=head + raw, headers=headers)
    problem_of(response, 400, "invalid-request")


@pytest.mark.parametrize("off", [-1, 1, 1000])
def test_a_wrong_binary_size_is_refused(http: httpx.Client, no_face_jpeg: bytes, off: int) -> None:
    body, headers = binary(no_face_jpeg)
    body = body + bytes(off) if off > 0 else body[:off]
    response = http.post(INFER, content=body, headers=headers)
    problem_of(response, 400, "invalid-request")
