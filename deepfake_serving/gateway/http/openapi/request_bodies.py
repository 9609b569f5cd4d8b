"""Request bodies for the OpenAPI document, those of media uploads and of inference."""

from __future__ import annotations

from typing import Any

from deepfake_serving.gateway.fetch.fetcher import MAX_URL

_FILE = {"type": "string", "format": "binary"}
_URL = {"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_URL}
_MEDIA_URL = _URL | {"pattern": "^(https?|rtsps?)://"}


def _object(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    properties = {name: schema}
    return {
        "type": "object",
        "properties": properties,
        "required": [name],
        "additionalProperties": False,
    }


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def _body(form: dict[str, Any], by_url: dict[str, Any], kind: str) -> dict[str, Any]:
    """Returns a body; the form comes first, because some generators support only one type."""
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/octet-stream": {"schema": _FILE},
            kind: {"schema": _FILE},
            "application/json": {"schema": by_url},
        },
    }


IMAGE_BODY = _body(_object("file", _FILE), _object("url", _URL), "image/*")
BATCH_BODY = _body(
    _object("file", _array(_FILE)), _object("urls", _array({"type": "string"})), "image/*"
)
VIDEO_BODY = _body(
    _object("file", _FILE),
    {
        "type": "object",
        "properties": {
            "url": _MEDIA_URL,
            "upload": {"type": "string", "description": "The id of a finished upload."},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
    "video/*",
)
UPLOAD_BODY = {"content": {"application/offset+octet-stream": {"schema": _FILE}}}
FILENAME = {
    "name": "X-Filename",
    "in": "header",
    "description": "Names a file that is sent as the body; may be percent-encoded (UTF-8).",
    "schema": {"type": "string"},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: 202 and a job, in place of the result (RFC 7240).",
    "schema": {"type": "string"},
}
PREFERENCE_APPLIED: dict[str, Any] = {
    "Preference-Applied": {"description": "`respond-async`", "schema": {"type": "string"}}
}
INFER_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
        "application/octet-stream": {"schema": _FILE},
    },
}
"""JSON, or JSON of `Inference-Header-Content-Length` bytes followed by binary tensors."""
INDEX_BODY = {
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/IndexRequest"}}},
}
PREDICT_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PredictRequest"}}},
}
FEEDBACK_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/FeedbackBody"}}},
}
INFER_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "Bytes of JSON, after which binary tensors follow.",
    "schema": {"type": "integer", "minimum": 0},
}
