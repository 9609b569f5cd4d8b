"""Problems as HTTP responses (RFC 9457), whatever the framework."""

from __future__ import annotations

import orjson

from deepfake_serving.contracts.problems import (
    Problem,
    SlowRequest,
    Unauthorized,
    UnsupportedCoding,
)

CODINGS = ("gzip", "deflate")
"""Content codings of request bodies."""


def problem_body(problem: Problem, request_id: str, path: str) -> bytes:
    """Returns the `application/problem+json` body of a request to `path`.

    Under /v2, and for KServe's V1 predictions, it also has the `error` member of these protocols.
    """
    document = problem.to_dict(request_id)
    if path.startswith("/v2") or path.endswith(":predict"):
        document["error"] = problem.detail
    return orjson.dumps(document)


def problem_headers(problem: Problem) -> dict[str, str]:
    """Returns the response headers of a problem."""
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, SlowRequest):
        headers["Connection"] = "close"  # the rest of the body is not read
    if isinstance(problem, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, UnsupportedCoding):
        headers["Accept-Encoding"] = ", ".join(CODINGS)  # RFC 9110, section 15.5.16
    return headers


def unsupported_coding(coding: str) -> UnsupportedCoding:
    """Returns the problem of a body with another Content-Encoding than those of `CODINGS`."""
    return UnsupportedCoding(
        f"the content encoding {coding[:60]!r} is not supported: "
        f"send {' or '.join(CODINGS)}, or the body as it is"
    )
