"""Faces and sizes that a client gives instead of having them found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepfake_serving.contracts.problems import InvalidRequest
from model_handlers import wire
from model_handlers.given_faces import MAX_GIVEN_FACES, GivenFace, parse_face_px, parse_faces
from model_handlers.items import Options

FACE = {"box": [1.5, 2, 30, 40], "landmarks": [[3, 4]] * 5, "detection_confidence": 0.9}


def test_faces_are_parsed_from_text_and_from_lists() -> None:
    expected = [(GivenFace((1.5, 2.0, 30.0, 40.0), ((3.0, 4.0),) * 5, 0.9),), ()]
    assert parse_faces([[FACE], []], 2) == expected
    assert parse_faces(json.dumps([[FACE], []]), 2) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "no JSON",
        "[" * 100_000,
        [],
        [[], []],
        [{}],
        [[None]],
        [[{}]],
        [[FACE] * (MAX_GIVEN_FACES + 1)],
        [[FACE | {"box": [1, 2, 3]}]],
        [[FACE | {"box": [3, 2, 1, 4]}]],
        [[FACE | {"box": ["1", 2, 3, 4]}]],
        [[FACE | {"box": [1, 2, 1e300, 4]}]],
        [[FACE | {"box": [1, 2, float("nan"), 4]}]],
        [[FACE | {"landmarks": [[3, 4]] * 4}]],
        [[FACE | {"landmarks": [3, 4]}]],
        [[FACE | {"detection_confidence": True}]],
    ],
)
def test_malformed_faces_are_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_faces(value, 1)


@pytest.mark.parametrize("value", ["x", [0], [-1], ["1"], [1, 2]])
def test_malformed_sizes_are_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_face_px(value, 1)


def test_each_item_has_its_own_faces_and_size() -> None:
    raw = wire.join_bytes([b"a", b"b"])
    parameters = {"faces": json.dumps([[FACE], []]), "face_px": "[40, 50.5]"}
    packed = wire.pack_tensor("BYTES", [2], raw, parameters)
    first, second = wire.item_options(*packed, Options(crops=True), 2)
    assert (first.crops, first.face_px, len(first.faces or ())) == (True, 40.0, 1)
    assert (second.crops, second.face_px, second.faces) == (True, 50.5, ())


def test_items_without_parameters_keep_their_options() -> None:
    packed = wire.pack_tensor("BYTES", [1], wire.join_bytes([b"a"]))
    assert wire.item_options(*packed, Options(crops=True), 1) == [Options(crops=True)]
