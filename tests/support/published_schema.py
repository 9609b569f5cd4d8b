"""Checks the gateway's responses against the published OpenAPI document (docs/openapi.json).

An HTTP client from `checked_client` fails the test on every JSON response that the document does
not describe: its path, its status, or its schema. Members that the schema lacks are errors too.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from deepfake_serving.contracts.problems import MEDIA_TYPE

_PATH = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
_UNDOCUMENTED = re.compile(
    r"/(healthz|readyz|metrics|openapi\.json)|/v2/models/[^/]+/versions/.*"
    r"|/v2/repository/models/.*"
)
"""Paths without a schema: probes, the document itself, and the protocol's versioned twins."""


def _strict(schema: Any) -> Any:
    """Returns a copy of a schema whose objects have no members besides their properties."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(each) for name, each in schema.items()}
    if isinstance(strict.get("properties"), dict) and strict.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    return strict


class PublishedSchema:
    """The document, and the checks against it."""

    def __init__(self, path: Path = _PATH) -> None:
        self._document = _strict(json.loads(path.read_text()))
        self._paths = {
            template: re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template))
            for template in self._document["paths"]
        }
        self.checked: list[tuple[str, str, int]] = []
        """Method, path template and status of each response that was checked."""

    def check(self, response: httpx.Response) -> None:
        """Checks a response; one that is not JSON passes. For httpx's event hooks.

        Raises:
            AssertionError
        """
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        request = response.request
        if kind not in ("application/json", MEDIA_TYPE) or request.method == "HEAD":
            return
        problem = response.status_code >= 400
        assert (kind == MEDIA_TYPE) == problem or request.url.path == "/readyz", response
        document = json.loads(response.read())
        schema = self._response_schema(request.method, request.url.path, response.status_code, kind)
        if schema is None and problem and kind == MEDIA_TYPE:
            schema = {"$ref": "#/components/schemas/ProblemDocument"}
        if schema is not None:
            self._validate(document, schema, f"{request.method} {request.url.path}")

    def check_document(self, name: str, document: Any) -> None:
        """Checks a document that is not a response's body, such as an event's.

        Raises:
            AssertionError
        """
        self._validate(document, {"$ref": f"#/components/schemas/{name}"}, name)

    def _response_schema(self, method: str, path: str, status: int, kind: str) -> Any:
        """Returns the schema of a response, None where no path is described."""
        template = self._template(path)
        if template is None:
            assert status in (404, 405) or _UNDOCUMENTED.fullmatch(path), f"{path}: no such path"
            return None
        operation = self._document["paths"][template].get(method.lower())
        if operation is None:
            assert status == 405, f"{method} {template}: no such operation"
            return None
        responses = operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        assert response is not None, f"{method} {template}: no status {status}"
        assert kind in response["content"], f"{method} {template}: no {kind} for {status}"
        self.checked.append((method, template, status))
        return response["content"][kind].get("schema", {})

    def _template(self, path: str) -> str | None:
        found = [t for t, pattern in self._paths.items() if pattern.fullmatch(path)]
        return min(found, key=lambda template: template.count("{"), default=None)

    def _validate(self, document: Any, schema: Any, subject: str) -> None:
        whole = copy.copy(schema) | {"components": self._document["components"]}
        errors = [
            f"{error.json_path}: {error.message[:300]}"
            for error in Draft202012Validator(whole).iter_errors(document)
        ]
        assert not errors, f"{subject} differs from docs/openapi.json: {errors}"


SCHEMA = PublishedSchema()


def event_hooks() -> dict[str, list[Any]]:
    """Returns httpx's event hooks that check every response."""
    return {"response": [SCHEMA.check]}


def checked_client(base_url: str, **kwargs: Any) -> httpx.Client:
    """Returns a client that checks every response."""
    return httpx.Client(base_url=base_url, event_hooks=event_hooks(), **kwargs)
