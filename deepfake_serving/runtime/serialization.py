"""JSON of dataclasses, serialized and validated by pydantic from the types of the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import Field, TypeAdapter

T = TypeVar("T")

OMIT_NONE = Field(exclude_if=lambda value: value is None)
"""Annotates a field that the JSON omits where it is None."""


Raw = Mapping[str, bytes | Sequence[bytes]]
"""JSON of fields, by their names; a sequence is the items of a list."""


def to_json(document: object, raw: Raw | None = None) -> bytes:
    """Serializes a dataclass.

    Args:
        raw: Fields that are JSON already. Their bytes replace the document's values unchanged,
            without being parsed.
    """
    adapter = _adapter(type(document))
    if not raw:
        return adapter.dump_json(document)
    fields: dict[str, Any] = adapter.dump_python(document, mode="json")
    return orjson.dumps(fields | {name: _fragment(json) for name, json in raw.items()})


def from_json(kind: type[T], data: bytes) -> T:
    """Parses JSON. Unknown members are ignored.

    Raises:
        ValueError: the JSON is malformed or lacks a field.
    """
    document: T = _adapter(kind).validate_json(data)
    return document


def from_plain(kind: type[T], value: Any) -> T:
    """Converts a dictionary as JSON has it. Unknown members are ignored.

    Raises:
        ValueError: a field is missing or of another type.
    """
    document: T = _adapter(kind).validate_python(value)
    return document


def _fragment(json: bytes | Sequence[bytes]) -> orjson.Fragment | list[orjson.Fragment]:
    if isinstance(json, bytes):
        return orjson.Fragment(json)
    return [orjson.Fragment(item) for item in json]


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Returns the compiled schema of a type; compiling one takes milliseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
