"""Responses: JSON of documents, and problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from deepfake_serving.contracts.problems import (
    MEDIA_TYPE,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from deepfake_serving.gateway.context import get_request_scope
from deepfake_serving.gateway.http.routing import allowed_methods
from deepfake_serving.runtime.http_problems import problem_body, problem_headers
from deepfake_serving.runtime.serialization import Raw, to_json


def json_response(
    document: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    raw: Raw | None = None,
) -> Response:
    """Returns a response whose body is the document, a dataclass; see `to_json` for `raw`."""
    return Response(to_json(document, raw), status, headers, media_type="application/json")


def problem_response(
    problem: Problem, request_id: str, path: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Returns the response of a problem (RFC 9457), with the headers besides its own."""
    body, all_headers = problem_body(problem, request_id, path), problem_headers(problem)
    return Response(body, problem.status, all_headers | dict(headers or {}), media_type=MEDIA_TYPE)


async def handle_problem(request: Request, error: Exception) -> Response:
    """Handles the exceptions of routes: problems, and FastAPI's own errors as problems."""
    problem = _as_problem(error, request)
    scope = get_request_scope(request)
    scope.problem = problem
    headers = {"Allow": problem.allow} if isinstance(problem, _NotAllowed) else {}
    return problem_response(problem, scope.id, request.url.path, headers)


class _NotAllowed(MethodNotAllowed):
    """A method that no route at the path has, and those that one has (RFC 9110, 15.5.6)."""

    def __init__(self, request: Request) -> None:
        self.allow = ", ".join(allowed_methods(request.app.router.routes, request.scope["path"]))
        super().__init__(f"{request.method} is not allowed here; allowed: {self.allow}")


def _as_problem(error: Exception, request: Request) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return InvalidRequest("; ".join(_message(e["loc"][1:], e) for e in error.errors()))
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound(f"there is nothing at {request.url.path[:200]}")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return _NotAllowed(request)
    return InvalidRequest(f"the request can't be served: {getattr(error, 'detail', error)}")


def validation_message(error: Mapping[str, Any]) -> str:
    """Returns the message of an error of pydantic, without the value that caused it."""
    return _message(error["loc"], error)


_EXPECTED = {
    "bool_parsing": "true or false is expected",
    "extra_forbidden": "there is no such member",
    "finite_number": "a finite number is expected",
    "float_parsing": "a number is expected",
    "greater_than_equal": "at least {ge} is expected",
    "int_parsing": "a whole number is expected",
    "int_parsing_size": "the number is too large",
    "less_than_equal": "at most {le} is expected",
    "literal_error": "{expected} is expected",
    "missing": "it is missing",
    "string_too_long": "at most {max_length} characters are expected",
    "string_too_short": "at least {min_length} characters are expected",
    "string_type": "a string is expected",
}
"""Messages by pydantic's type of an error; others have pydantic's own."""


def _message(location: Sequence[Any], error: Mapping[str, Any]) -> str:
    expected = _EXPECTED.get(error["type"], error["msg"].removeprefix("Value error, "))
    if error["type"] in _EXPECTED:
        expected = expected.format_map(error.get("ctx", {}))
    return f"{'.'.join(map(str, location))}: {expected}"
