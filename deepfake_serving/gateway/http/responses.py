"""What is answered: JSON of dataclasses, and problems by RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
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
from deepfake_serving.runtime.http_problems import problem_body, problem_headers


def json_reply(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document of plain values and dataclasses."""
    return Response(orjson.dumps(document), status, headers, media_type="application/json")


def problem_reply(problem: Problem, request_id: str, path: str) -> Response:
    """Returns a problem as a response (RFC 9457)."""
    body, headers = problem_body(problem, request_id, path), problem_headers(problem)
    return Response(body, problem.status, headers, media_type=MEDIA_TYPE)


async def answer_problem(request: Request, error: Exception) -> Response:
    """FastAPI's handler of exceptions: ours as they are, its own in our words."""
    problem = _in_our_words(error, request)
    exchange = request.state.exchange
    exchange.problem = problem
    return problem_reply(problem, exchange.id, request.url.path)


def _in_our_words(error: Exception, request: Request) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return InvalidRequest("; ".join(_complaint(e) for e in error.errors()))
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound(f"there is nothing at {request.url.path[:200]}")
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(f"{request.method} is not possible here; possible: {allowed}")
    return InvalidRequest(f"the request can't be served: {getattr(error, 'detail', error)}")


def _complaint(error: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, error['loc'][1:]))}: {error['msg']}"
