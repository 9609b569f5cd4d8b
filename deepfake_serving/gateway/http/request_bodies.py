"""Request bodies of media uploads, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

_FILE = {"type": "string", "format": "binary"}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: schema}, "required": [name]}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _body(form: dict[str, Any], by_url: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/octet-stream": {"schema": _FILE},
            "application/json": {"schema": by_url},
        },
    }


SINGLE_BODY = _body(_object("file", _FILE), _object("url", {"type": "string"}))
BATCH_BODY = _body(_object("file", _array(_FILE)), _object("urls", _array({"type": "string"})))
