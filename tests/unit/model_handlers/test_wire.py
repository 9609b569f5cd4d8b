"""The wire format: round trips, and malformed requests as client errors."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from model_handlers import wire
from model_handlers.items import Item, Options
from tests.support.properties import examples


def request(tensor: Any, raw: bytes = b"") -> tuple[bytes, int]:
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + raw, len(head)


def refusal(body: bytes, length: int) -> str:
    """Returns the detail of the refusal, which must be serializable."""
    with pytest.raises(InvalidRequest) as caught:
        wire.unpack_items(body, length)
    document = orjson.loads(orjson.dumps(caught.value.to_dict()))
    return str(document["detail"])


# BYTES -------------------------------------------------------------------------------------------


@given(elements=st.lists(st.binary(max_size=50), max_size=10))
def test_joined_bytes_round_trip(elements: list[bytes]) -> None:
    assert wire.split_bytes(wire.join_bytes(elements)) == elements


def test_joined_bytes_have_the_format_of_the_protocol() -> None:
    assert wire.join_bytes([b"ab", b""]) == b"\x02\0\0\0ab\0\0\0\0"


@given(elements=st.lists(st.binary(max_size=50), max_size=10))
def test_packed_images_are_unpacked(elements: list[bytes]) -> None:
    packed = wire.pack_tensor("BYTES", [len(elements)], wire.join_bytes(elements))
    assert wire.unpack_items(*packed) == elements


@given(elements=st.lists(st.binary(max_size=20), min_size=1, max_size=5), data=st.data())
def test_a_truncated_bytes_tensor_is_refused(elements: list[bytes], data: st.DataObject) -> None:
    raw = wire.join_bytes(elements)
    body, length = wire.pack_tensor("BYTES", [len(elements)], raw)
    cut = data.draw(st.integers(1, len(raw)))
    assert "BYTES tensor" in refusal(body[:-cut], length)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x01\0", "ends within an element's length"),
        (struct.pack("<I", 5) + b"abcd", "reaches beyond"),
        (struct.pack("<I", 2**32 - 1) + b"abcd", "reaches beyond"),
    ],
)
def test_lengths_beyond_the_tensor_are_refused(raw: bytes, reason: str) -> None:
    assert reason in refusal(*wire.pack_tensor("BYTES", [1], raw))


@pytest.mark.parametrize("shape", [[1], [3], [2, 2], [-1, -2], [-2], [2, -1, -1], []])
def test_a_shape_with_the_wrong_count_is_refused(shape: list[int]) -> None:
    raw = wire.join_bytes([b"a", b"b"])
    assert "2 elements" in refusal(*wire.pack_tensor("BYTES", shape, raw))


@pytest.mark.parametrize("shape", [[2], [2, 1], [1, 2]])
def test_a_shape_with_the_right_count_is_accepted(shape: list[int]) -> None:
    raw = wire.join_bytes([b"a", b"b"])
    assert wire.unpack_items(*wire.pack_tensor("BYTES", shape, raw)) == [b"a", b"b"]


def test_too_many_items_are_refused() -> None:
    raw = wire.join_bytes([b""] * wire.MAX_ITEMS)
    assert len(wire.split_bytes(raw)) == wire.MAX_ITEMS
    with pytest.raises(TooLarge, match="at most 4096"):
        wire.split_bytes(raw + b"\0\0\0\0")
    with pytest.raises(TooLarge, match="at most 4096"):
        wire.join_bytes([b""] * (wire.MAX_ITEMS + 1))


# UINT8 -------------------------------------------------------------------------------------------


@given(
    pixels=arrays(
        np.uint8,
        array_shapes(min_dims=3, max_dims=3, max_side=5).map(lambda shape: (*shape, 3)),
    )
)
def test_packed_pixels_are_unpacked(pixels: np.ndarray) -> None:
    items = wire.unpack_items(*wire.pack_tensor("UINT8", pixels.shape, pixels.tobytes()))
    assert len(items) == len(pixels)
    for item, image in zip(items, pixels, strict=True):
        assert isinstance(item, np.ndarray)
        assert item.dtype == np.uint8
        np.testing.assert_array_equal(item, image)


def test_one_image_needs_no_batch_axis() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    (item,) = wire.unpack_items(*wire.pack_tensor("UINT8", [2, 4, 3], pixels.tobytes()))
    np.testing.assert_array_equal(item, pixels)


@pytest.mark.parametrize(
    "shape",
    [
        [24],
        [8, 3],
        [1, 3, 2, 4],
        [1, 2, 4, 4],
        [1, 1, 2, 4, 3],
        [0, 2, 4, 3],
        [10**9, 0, 4, 3],
        [-1, -2, 4, 3],
        [1] * 1000,
    ],
)
def test_pixels_with_the_wrong_shape_are_refused(shape: list[int]) -> None:
    raw = bytes(max(0, min(np.prod(np.array(shape, dtype=object)), 100)))
    assert "(n, height, width, 3)" in refusal(*wire.pack_tensor("UINT8", shape, raw))


@pytest.mark.parametrize("count", [0, 23, 25])
def test_too_few_or_too_many_pixels_are_refused(count: int) -> None:
    packed = wire.pack_tensor("UINT8", [1, 2, 4, 3], bytes(count))
    assert f"{count} bytes can't fill" in refusal(*packed)


@pytest.mark.parametrize("datatype", ["FP32", "uint8", "", "\ud800", "x" * 10_000])
def test_other_types_are_refused_with_a_short_message(datatype: str) -> None:
    packed = wire.pack_tensor("BYTES", [1, 1, 1, 3], b"abc")
    body, length = packed[0].replace(b'"BYTES"', json.dumps(datatype).encode()), packed[1]
    length += len(json.dumps(datatype)) - len('"BYTES"')
    assert "BYTES or UINT8 was expected" in refusal(body, length)


# JSON --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": [7]}',
        b'{"inputs": [{}]}',
        b'{"inputs": [{"datatype": "BYTES"}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": null}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": 1}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": [1.5]}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": [1e999]}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": [NaN]}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": ["1"]}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": [[1]]}]}',
        b'{"inputs": [{"datatype": "BYTES", "shape": [' + b"9" * 5000 + b"]}]}",
        b"\xff\xfe\xfd" * 10_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_invalid_json_is_refused(head: bytes) -> None:
    assert "not an Open Inference Protocol request" in refusal(head, len(head))


@pytest.mark.parametrize("length", [-1, -(10**30), 1000, 10**30])
def test_a_length_beyond_the_body_is_refused(length: int) -> None:
    body, _ = wire.pack_tensor("BYTES", [1], wire.join_bytes([b"a"]))
    assert wire.LENGTH_HEADER in refusal(body, length)


def unpack(body: bytes, length: int) -> list[Item] | InvalidRequest:
    try:
        return wire.unpack_items(body, length)
    except InvalidRequest as problem:
        return problem


numbers = st.integers(-3, 4) | st.floats() | st.none() | st.text(max_size=2)


@settings(max_examples=examples(200))
@given(
    tensor=st.fixed_dictionaries(
        {},
        optional={
            "datatype": st.sampled_from(["BYTES", "UINT8", "FP32", 7, None, "\udfff"]),
            "shape": st.lists(numbers, max_size=5) | numbers,
        },
    ),
    raw=st.binary(max_size=40),
    off=st.integers(-5, 5),
)
def test_any_request_round_trips(tensor: Any, raw: bytes, off: int) -> None:
    body, length = request(tensor, raw)
    response = unpack(body, length + off)
    if isinstance(response, InvalidRequest):
        orjson.dumps(response.to_dict())
    else:
        assert all(isinstance(item, bytes | np.ndarray) for item in response)


# Options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Options()),
        ("", Options()),
        ("{}", Options()),
        ('{"crops": false}', Options(crops=False)),
        ('{"crops": true}', Options(crops=True)),
        ('{"crops": true, "later": 1}', Options(crops=True)),
    ],
)
def test_options_are_read(header: str | None, expected: Options) -> None:
    assert wire.parse_options(header) == expected


@pytest.mark.parametrize("header", ["{", "[]", "1", "null", '"crops"', "nonsense", "[" * 8000])
def test_options_that_are_not_an_object_are_refused(header: str) -> None:
    with pytest.raises(InvalidRequest, match="x-deepfake-options is not a JSON object"):
        wire.parse_options(header)


@pytest.mark.parametrize("crops", ['"false"', "1", "null", "[]"])
def test_crops_must_be_a_boolean(crops: str) -> None:
    with pytest.raises(InvalidRequest, match="crops must be true or false"):
        wire.parse_options(f'{{"crops": {crops}}}')
