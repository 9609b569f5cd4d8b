"""JSON of dataclasses: what is written always has the dataclass's fields, what is read is checked.

pydantic does both, by the types of the fields, as the OpenAPI document describes them.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, TypeAdapter

T = TypeVar("T")

OMIT_NONE = Field(exclude_if=lambda value: value is None)
"""Annotates a field that the JSON omits where it is None."""


def to_json(document: object) -> bytes:
    """Serializes a dataclass."""
    return _adapter(type(document)).dump_json(document)


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


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Returns the compiled schema of a type; compiling one takes milliseconds."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
