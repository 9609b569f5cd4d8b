"""JSON of dataclasses, with parts that are JSON already."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated

from deepfake_serving.runtime.serialization import OMIT_NONE, to_json


@dataclass(frozen=True)
class Part:
    name: str
    note: Annotated[str | None, OMIT_NONE] = None


@dataclass(frozen=True)
class Whole:
    title: str
    part: Part | None = None
    parts: list[Part] = field(default_factory=list)


def test_a_field_without_a_value_is_null_or_omitted() -> None:
    assert json.loads(to_json(Whole("a", Part("b")))) == {
        "title": "a",
        "part": {"name": "b"},
        "parts": [],
    }


def test_raw_json_replaces_a_field_byte_for_byte() -> None:
    raw = b'{"name":  "b", "unknown": 1.50}'
    document = to_json(Whole("a"), {"part": raw})
    assert raw in document
    assert json.loads(document) == {"title": "a", "part": json.loads(raw), "parts": []}


def test_raw_json_items_become_a_list() -> None:
    parts = [Part("b"), Part("c", "d")]
    document = to_json(Whole("a"), {"parts": [to_json(part) for part in parts]})
    assert document == to_json(Whole("a", parts=parts))
