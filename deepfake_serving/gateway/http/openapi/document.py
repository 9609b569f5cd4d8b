"""The OpenAPI document as validators and generators of clients need it (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from deepfake_serving.contracts.problems import MEDIA_TYPE
from deepfake_serving.gateway.http.openapi.examples import EXAMPLES, PROBLEM, UNAVAILABLE
from deepfake_serving.gateway.http.openapi.links import LINKS
from deepfake_serving.gateway.http.openapi.oip_documents import REQUESTS
from deepfake_serving.gateway.http.schemas import FeedbackBody

_PROBLEM = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
_PROBLEM_HEADERS = {
    "Retry-After": {
        "description": "Seconds until a retry may succeed, of 429 and 503.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "X-Request-ID": {"description": "The request's id.", "schema": {"type": "string"}},
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "A problem with the request",
        "content": {MEDIA_TYPE: _PROBLEM},
        "headers": _PROBLEM_HEADERS,
    },
    "5XX": {
        "description": "A problem of the service",
        "content": {MEDIA_TYPE: _PROBLEM},
        "headers": _PROBLEM_HEADERS,
    },
}
"""Responses of every operation."""
TAGS: list[dict[str, Any]] = [
    {"name": "images", "description": "Verdicts of images, at once."},
    {"name": "videos", "description": "Videos and live sources, analysed as jobs."},
    {
        "name": "uploads",
        "description": "Resumable uploads of videos.",
        "externalDocs": {"url": "https://tus.io/protocols/resumable-upload"},
    },
    {"name": "jobs", "description": "Progress, results and media of jobs."},
    {"name": "feedback", "description": "What files really are, as labels for evaluation."},
    {
        "name": "open inference protocol",
        "description": "Tensors in and out, forwarded to a model server.",
        "externalDocs": {"url": "https://github.com/kserve/open-inference-protocol"},
    },
    {"name": "service", "description": "Models, version and limits."},
]
SERVERS = [{"url": "/", "description": "The gateway that serves this document"}]
CONTACT = {
    "name": "deepfake-serving",
    "url": "https://github.com/deepfake-serving/deepfake-serving/issues",
}
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


class DocumentedApp(FastAPI):
    """An application whose document has examples, links and schemas that FastAPI leaves out.

    `key_required` is whether requests need an API key; without it, keys are optional.
    """

    key_required: bool = False

    def openapi(self) -> dict[str, Any]:
        """Returns the document, which is generated once."""
        if self.openapi_schema is None:
            document: dict[str, Any] = super().openapi()
            _add_request_schemas(document)
            for operation in _operations(document):
                _finish(operation, self.key_required)
        return self.openapi_schema or {}


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _finish(operation: dict[str, Any], key_required: bool) -> None:
    _secure(operation, key_required)
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if problem := {"4XX": PROBLEM, "5XX": UNAVAILABLE}.get(status):
            content[MEDIA_TYPE]["example"] = problem
        elif example := EXAMPLES.get((operation["operationId"], status)):
            content["application/json"]["example"] = example  # FastAPI drops its nulls
        if links := LINKS.get((operation["operationId"], status)):
            response["links"] = links


def _secure(operation: dict[str, Any], key_required: bool) -> None:
    """Moves scopes into the description: in OpenAPI only OAuth's schemes may list them."""
    security = operation.setdefault("security", [])
    scopes = sorted({scope for each in security for needed in each.values() for scope in needed})
    for each in security:
        each.update({scheme: [] for scheme in each})
    if scopes:
        needed = ", ".join(f"`{scope}`" for scope in scopes)
        operation["description"] += f"\n\nScope of the API key: {needed}."
    if security and not key_required:
        security.append({})


def _add_request_schemas(document: dict[str, Any]) -> None:
    """Adds the schemas of request bodies, which routes parse themselves."""
    schemas = document["components"]["schemas"]
    kinds: tuple[type[Any], ...] = (*REQUESTS, FeedbackBody)
    for kind in kinds:
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[kind.__name__] = schema
