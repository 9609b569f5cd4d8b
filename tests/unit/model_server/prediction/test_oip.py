"""The Open Inference Protocol independent of its transport: inputs and outputs."""

from __future__ import annotations

import base64
import math
import struct
import time
import tracemalloc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge, UndecodableMedia
from deepfake_serving.model_server.prediction.oip import (
    Input,
    Output,
    check_counts,
    choose,
    model_metadata,
    options_header,
    outputs,
    raw_from_json,
    tensor_of,
)
from deepfake_serving.model_server.prediction.predictor import Tensor
from model_handlers.wire import MAX_ITEMS, join_bytes, split_bytes
from tests.support.served_models import served_model

DETECTOR = served_model("detector")
FACES = served_model("faces")
CLASSIFIER = served_model("classifier")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def refused(datatype: str, data: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        raw_from_json(datatype, data)
    orjson.dumps(caught.value.to_dict())
    return caught.value.detail


# Inputs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3), (1,) * 7 + (3,)])
def test_image_inputs_are_flattened_to_one_dimension(shape: tuple[int, ...]) -> None:
    raw = join_bytes([b"a", b"", b"ccc"])
    assert tensor_of(DETECTOR, Input("images", "BYTES", shape, raw)) == Tensor("BYTES", (3,), raw)


def test_pixels_of_one_image_get_a_batch_of_one() -> None:
    raw = bytes(24)
    for shape in ((2, 4, 3), (1, 2, 4, 3)):
        tensor = tensor_of(DETECTOR, Input("images", "UINT8", shape, raw))
        assert tensor == Tensor("UINT8", (1, 2, 4, 3), raw)
    assert tensor_of(DETECTOR, Input("images", "UINT8", (2, 2, 2, 3), raw)).shape == (2, 2, 2, 3)


def test_a_classifier_accepts_crops() -> None:
    given_input = Input("crops", "UINT8", (1, 1, 3), b"abc")
    assert tensor_of(CLASSIFIER, given_input).raw == b"abc"
    with pytest.raises(InvalidRequest, match="'images' was expected, not 'crops'"):
        tensor_of(FACES, given_input)
    with pytest.raises(InvalidRequest, match="'crops' was expected, not 'images'"):
        tensor_of(CLASSIFIER, Input("images", "UINT8", (1, 1, 3), b"abc"))


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "reason"),
    [
        ("BYTES", (), join_bytes([b"a"]), "no elements"),
        ("BYTES", (0,), b"", "no elements"),
        ("BYTES", (-1,), join_bytes([b"a"]), "no elements"),
        ("BYTES", (2,), join_bytes([b"a"]), "1 elements can't fill"),
        ("BYTES", (1,), join_bytes([b"a", b"b"]), "2 elements can't fill"),
        ("BYTES", (1,), b"\x05\x00\x00\x00abc", "reaches beyond"),
        ("BYTES", (1,), b"\x05", "ends within"),
        ("BYTES", (1,) * 9, join_bytes([b"a"]), "at most 8 dimensions"),
        ("UINT8", (2, 3), bytes(6), r"\(n, height, width, 3\)"),
        ("UINT8", (1, 2, 2, 4), bytes(16), r"\(n, height, width, 3\)"),
        ("UINT8", (1, 1, 2, 2, 3), bytes(12), r"\(n, height, width, 3\)"),
        ("UINT8", (1, 0, 2, 3), b"", "no elements"),
        ("UINT8", (1, 2, 2, 3), bytes(11), "11 bytes can't fill"),
        ("UINT8", (1, 2, 2, 3), bytes(13), "13 bytes can't fill"),
        ("UINT8", (2**31, 2**31, 2**31, 3), b"", "can't fill"),
        ("FP32", (1, 2, 2, 3), bytes(48), "BYTES or UINT8 was expected, not FP32"),
        ("", (1,), b"", "BYTES or UINT8 was expected"),
    ],
)
def test_an_invalid_input_is_refused_with_the_reason(
    datatype: str, shape: tuple[int, ...], raw: bytes, reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        tensor_of(DETECTOR, Input("images", datatype, shape, raw))


def test_a_shape_with_too_many_dimensions_is_refused_without_multiplying_it() -> None:
    begun = time.perf_counter()
    with pytest.raises(InvalidRequest, match="at most 8 dimensions"):
        tensor_of(DETECTOR, Input("images", "BYTES", (2**31 - 1,) * 1_000_000, b""))
    assert time.perf_counter() - begun < 20


@given(
    name=st.sampled_from(["images", "crops"]) | st.text(max_size=5),
    datatype=st.sampled_from(["BYTES", "UINT8"]) | st.text(max_size=5),
    shape=st.lists(st.integers(-3, 5) | st.integers(), max_size=9).map(tuple),
    raw=st.binary(max_size=100) | st.lists(st.binary(max_size=5), max_size=5).map(join_bytes),
)
def test_any_input_is_a_tensor_filled_by_its_data_or_refused(
    name: str, datatype: str, shape: tuple[int, ...], raw: bytes
) -> None:
    try:
        tensor = tensor_of(DETECTOR, Input(name, datatype, shape, raw))
    except InvalidRequest as problem:
        orjson.dumps(problem.to_dict())
        return
    assert (name, tensor.datatype, tensor.raw) == ("images", datatype, raw)
    filled = len(split_bytes(raw)) if datatype == "BYTES" else len(raw)
    assert math.prod(tensor.shape) == filled > 0


@pytest.mark.parametrize(
    ("inputs", "requested", "reason"),
    [(0, 0, "one input was expected, not 0"), (2, 0, "not 2"), (1, 9, "9 outputs are requested")],
)
def test_a_wrong_number_of_inputs_is_refused_before_their_content(
    inputs: int, requested: int, reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        check_counts(inputs, requested)
    check_counts(1, 8)


# JSON data ---------------------------------------------------------------------------------------


@given(elements=st.lists(st.binary(max_size=20), max_size=10))
def test_images_in_json_are_base64(elements: list[bytes]) -> None:
    texts = [b64(element) for element in elements]
    assert split_bytes(raw_from_json("BYTES", texts)) == elements
    nested = [[text] for text in texts]
    assert split_bytes(raw_from_json("BYTES", nested)) == elements


def test_one_image_needs_no_list() -> None:
    assert raw_from_json("BYTES", b64(b"abc")) == join_bytes([b"abc"])


def test_pixels_in_json_may_be_nested_or_flat() -> None:
    assert raw_from_json("UINT8", [0, 1, 255]) == b"\x00\x01\xff"
    assert raw_from_json("UINT8", [[[0, 1], [2, 3]]]) == b"\x00\x01\x02\x03"
    assert raw_from_json("UINT8", 7) == b"\x07"
    assert raw_from_json("UINT8", []) == b""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    assert raw_from_json("UINT8", pixels.tolist()) == pixels.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        [256],
        [-1],
        [1.0],
        [True],
        ["1"],
        [None],
        [{}],
        [[1, 2], [3]],
        [1, [2]],
        [[], [1]],
        [10**30],
        [-(2**63), 2**63],
        None,
        "abc",
        {"a": 1},
    ],
)
def test_invalid_pixel_values_are_refused(data: Any) -> None:
    refused("UINT8", data)


@pytest.mark.parametrize(
    "data",
    [
        "*",
        "YQ",
        "YQ==\n",
        "é",
        5,
        None,
        True,
        {},
        [5],
        ["YQ==", 5],
        [["YQ=="], {}],
        [b64(b"a"), "="],
    ],
)
def test_images_that_are_not_base64_are_refused(data: Any) -> None:
    refused("BYTES", data)


@pytest.mark.parametrize("datatype", ["FP32", "bytes", "", "x" * 10_000])
def test_other_types_are_refused(datatype: str) -> None:
    assert len(refused(datatype, [1])) < 600


@pytest.mark.parametrize("datatype", ["BYTES", "UINT8"])
@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_data_nested_too_deeply_is_refused(datatype: str, depth: int) -> None:
    data: Any = [[]]
    for _ in range(depth):
        data = [data, [1]]
    refused(datatype, data)


def test_nested_images_are_flattened() -> None:
    data: Any = b64(b"a")
    for _ in range(1000):
        data = [data]
    assert raw_from_json("BYTES", data) == join_bytes([b"a"])


def test_too_many_images_are_too_large() -> None:
    texts = [b64(b"a")] * MAX_ITEMS
    assert len(split_bytes(raw_from_json("BYTES", texts))) == MAX_ITEMS
    with pytest.raises(TooLarge):
        raw_from_json("BYTES", [*texts, "YQ=="])


def test_one_long_string_does_not_multiply_the_memory() -> None:
    """In a NumPy array of strings every element takes the size of the longest."""
    tracemalloc.start()
    try:
        refused("UINT8", ["x" * 100_000] + [""] * 1000)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("YQ=="),
    lambda leaves: (
        st.lists(leaves, max_size=4) | st.dictionaries(st.text(max_size=2), leaves, max_size=2)
    ),
    max_leaves=20,
)


@given(datatype=st.sampled_from(["BYTES", "UINT8", "FP32"]), data=JSON)
def test_any_json_is_data_or_refused(datatype: str, data: Any) -> None:
    try:
        raw = raw_from_json(datatype, data)
    except InvalidRequest as problem:
        orjson.dumps(problem.to_dict())
        return
    assert datatype != "FP32"
    if datatype == "BYTES":
        split_bytes(raw)


# Parameters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "header"),
    [
        ({}, None),
        ({"crops": None}, None),
        ({"other": 1}, None),
        ({"crops": True}, '{"crops": true}'),
        ({"crops": False}, '{"crops": false}'),
    ],
)
def test_known_parameters_are_passed_to_workers(
    parameters: dict[str, Any], header: str | None
) -> None:
    assert options_header(parameters) == header


@pytest.mark.parametrize("crops", [1, 0, "true", [], {}, 1.0])
def test_crops_must_be_a_boolean(crops: Any) -> None:
    with pytest.raises(InvalidRequest, match="crops must be true or false"):
        options_header({"crops": crops})


# Outputs -----------------------------------------------------------------------------------------

BROKEN = UndecodableMedia("broken")


def face(x: float) -> dict[str, Any]:
    points = [[x + n, x] for n in range(5)]
    return {"box": [x, 1.0, 2.0, 3.0], "landmarks": points, "detection_confidence": 0.99}


def by_name(found: list[Output]) -> dict[str, Output]:
    return {output.name: output for output in found}


def test_a_detector_returns_every_output() -> None:
    real = {"verdict": "real", "fake_probability": 0.25, "faces": []}
    none = {"verdict": "no_face", "fake_probability": None, "faces": []}
    found = by_name(outputs(DETECTOR, [real, BROKEN, none]))
    assert list(found) == ["fake_probability", "verdict", "result"]
    assert all(output.shape == (3,) for output in found.values())
    probabilities = found["fake_probability"]
    assert probabilities.datatype == "FP32"
    assert np.array_equal(probabilities.values, [0.25, np.nan, np.nan], equal_nan=True)
    assert list(found["verdict"].values) == ["real", "problem", "no_face"]
    documents = [orjson.loads(text) for text in found["result"].values]
    assert documents == [real, BROKEN.to_dict(), none]


def test_a_classifier_returns_probability_and_verdict() -> None:
    result = {"verdict": "fake", "fake_probability": 1.0}
    found = by_name(outputs(CLASSIFIER, [result]))
    assert list(found["fake_probability"].values) == [1.0]
    assert list(found["verdict"].values) == ["fake"]


def test_a_face_detector_returns_all_faces_with_the_index_of_their_image() -> None:
    results: list[dict[str, Any] | Problem] = [
        {"faces": [face(10), face(20)]},
        BROKEN,
        {"faces": []},
        {"faces": [face(30)]},
    ]
    found = by_name(outputs(FACES, results))
    assert list(found["face_count"].values) == [2, -1, 0, 1]
    assert found["boxes"].shape == (3, 4)
    assert [found["boxes"].values[n] for n in (0, 4, 8)] == [10, 20, 30]
    assert found["landmarks"].shape == (3, 5, 2)
    assert list(found["landmarks"].values[:4]) == [10, 10, 11, 10]
    assert found["detection_confidence"].shape == (3,)
    assert found["result"].shape == (4,)


@pytest.mark.parametrize("model", [DETECTOR, FACES, CLASSIFIER], ids=lambda model: model.name)
@pytest.mark.parametrize("results", [[], [BROKEN], [BROKEN, BROKEN]])
def test_values_fill_their_shapes_in_json_and_binary(model: Any, results: list[Problem]) -> None:
    sizes = {"FP32": 4, "INT32": 4}
    for output in outputs(model, results):
        count = math.prod(output.shape)
        assert len(output.values) == count
        if output.datatype == "BYTES":
            assert len(split_bytes(output.raw())) == count
        else:
            assert len(output.raw()) == count * sizes[output.datatype]


def test_binary_values_are_little_endian() -> None:
    assert Output("a", "FP32", (2,), [0.5, 1.0]).raw() == struct.pack("<2f", 0.5, 1.0)
    assert Output("a", "INT32", (2,), [-1, 7]).raw() == struct.pack("<2i", -1, 7)
    assert Output("a", "BYTES", (2,), ["é", ""]).raw() == join_bytes(["é".encode(), b""])


@pytest.mark.parametrize("model", [DETECTOR, FACES, CLASSIFIER], ids=lambda model: model.name)
def test_metadata_lists_inputs_and_outputs(model: Any) -> None:
    metadata = model_metadata(model)
    assert metadata["name"] == model.name
    assert metadata["versions"] == ["1.0"]
    (accepted,) = metadata["inputs"]
    tensor_of(model, Input(accepted["name"], accepted["datatype"], (1,), join_bytes([b"a"])))
    returned = outputs(model, [BROKEN])
    assert [(o["name"], o["datatype"], o["shape"][1:]) for o in metadata["outputs"]] == [
        (o.name, o.datatype, list(o.shape[1:])) for o in returned
    ]
    assert all(o["shape"][0] == -1 for o in metadata["outputs"])


def test_outputs_have_the_requested_order_and_default_to_all() -> None:
    available = outputs(DETECTOR, [])
    assert choose(available, []) == available
    names = ["result", "verdict"]
    assert [output.name for output in choose(available, names)] == names


def test_an_unknown_output_is_refused_with_the_list_of_outputs() -> None:
    with pytest.raises(InvalidRequest, match=r"no output 'boxes'; .*: fake_probability, verdict"):
        choose(outputs(DETECTOR, []), ["verdict", "boxes"])


def test_an_output_requested_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        choose(outputs(DETECTOR, []), ["verdict", "verdict"])
