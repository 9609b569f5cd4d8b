"""The OpenAPI document in version 3.0, for generators that don't read 3.1 yet."""

from __future__ import annotations

from typing import Any

_NULL = {"type": "null"}
_DROPPED = ("contentEncoding", "contentMediaType", "identifier")
"""Keywords that 3.0 lacks and clients don't need."""


def downgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Converts a document of version 3.1: types with null become `nullable`, constants enums."""
    converted: dict[str, Any] = _convert(document)
    return converted | {"openapi": "3.0.3"}


def _convert(node: Any) -> Any:
    if isinstance(node, list):
        return [_convert(each) for each in node]
    if not isinstance(node, dict):
        return node
    converted = {name: _convert(value) for name, value in node.items() if name not in _DROPPED}
    if "const" in converted:
        converted["enum"] = [converted.pop("const")]
    if _NULL in converted.get("anyOf", ()):
        converted = _nullable(converted)
    return converted


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = [each for each in schema.pop("anyOf") if each != _NULL]
    if len(kinds) > 1:
        return schema | {"anyOf": kinds, "nullable": True}
    (kind,) = kinds
    return schema | ({"allOf": kinds} if "$ref" in kind else kind) | {"nullable": True}
