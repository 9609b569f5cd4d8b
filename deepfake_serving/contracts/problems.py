"""Every error that a client can receive, as one tree of exceptions.

    Problem
    ├── InvalidRequest        400  the request itself is malformed
    ├── Unauthorized          401  no API key, or an unknown one
    ├── Forbidden             403  the API key's scopes don't cover this
    ├── NotFound              404  no such route, job or image
    │   └── UnknownModel      404  no such model or version
    ├── MethodNotAllowed      405  the route exists, the method does not
    ├── SlowRequest           408  the body arrived too slowly
    ├── Conflict              409  contradicts an earlier request or the job's state
    ├── UnsupportedVersion    412  a version of the tus protocol that is not supported
    ├── TooLarge              413  more bytes than the limit
    │   └── MessageTooLarge   413  a gRPC message of more bytes than the limit
    ├── UnsupportedMediaType  415  not a supported format
    │   └── UnsupportedCoding 415  the body is compressed in a way that is not supported
    ├── UndecodableMedia      422  a known format whose content is broken
    ├── TooManyPixels         422  would decode to more pixels than the limit
    ├── InvalidCursor         422  a cursor that no page of results had
    ├── RefusedURL            422  a URL that the policy forbids to fetch
    ├── UnreachableURL        422  a URL that could not be fetched
    ├── Overloaded            429  the queue is full; retry after `retry_after_s`
    ├── RateLimited           429  the API key's own limit; retry after `retry_after_s`
    ├── QuotaExceeded         429  the API key's quota of the day; retry after `retry_after_s`
    ├── Internal              500  an error of the service, never of the request
    ├── NotReady              503  starting, draining, or no worker is up
    ├── UpstreamUnavailable   503  a server behind this one did not respond, also after retries
    │   └── EnsembleUnavailable 503  too few members of an ensemble responded
    ├── DeadlineExceeded      504  the request's deadline passed
    └── StorageFull           507  no space left for an upload

Each class is one RFC 9457 problem type on HTTP and one status code with the same detail on gRPC
(the integer values of https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
"""

from __future__ import annotations

from typing import Any, ClassVar

TYPE_PREFIX = "urn:problem:deepfake-serving:"
MEDIA_TYPE = "application/problem+json"

_MAX_DETAIL_BYTES = 500
"""UTF-8 bytes: gRPC sends a detail three times in a trailer of at most 8 KiB."""


class Problem(Exception):
    """An error with a public meaning; clients see `detail`, which is truncated if it is long."""

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    grpc_code: ClassVar[int] = 13

    def __init__(self, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = _truncate(detail)
        self.retry_after_s = retry_after_s

    @property
    def type(self) -> str:
        """The problem type URI (RFC 9457, section 3.1.1)."""
        return TYPE_PREFIX + self.slug

    def to_dict(self, request_id: str | None = None) -> dict[str, Any]:
        """The members of an `application/problem+json` document."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if request_id is not None:
            document["id"] = request_id
        if self.retry_after_s is not None:
            document["retry_after_s"] = self.retry_after_s
        return document


class InvalidRequest(Problem):
    slug, title, status, grpc_code = "invalid-request", "Invalid request", 400, 3


class Unauthorized(Problem):
    slug, title, status, grpc_code = "unauthorized", "Unauthorized", 401, 16


class Forbidden(Problem):
    slug, title, status, grpc_code = "forbidden", "Forbidden", 403, 7


class NotFound(Problem):
    slug, title, status, grpc_code = "not-found", "Not found", 404, 5


class UnknownModel(NotFound):
    slug, title = "unknown-model", "Unknown model"


class MethodNotAllowed(Problem):
    slug, title, status, grpc_code = "method-not-allowed", "Method not allowed", 405, 12


class SlowRequest(Problem):
    slug, title, status, grpc_code = "slow-request", "Slow request", 408, 4


class Conflict(Problem):
    slug, title, status, grpc_code = "conflict", "Conflict", 409, 9


class UnsupportedVersion(Problem):
    slug, title, status, grpc_code = "unsupported-version", "Unsupported version", 412, 9


class TooLarge(Problem):
    slug, title, status, grpc_code = "too-large", "Too large", 413, 3


class MessageTooLarge(TooLarge):
    slug, title, grpc_code = "message-too-large", "Message too large", 8  # as gRPC itself has it


class UnsupportedMediaType(Problem):
    slug, title, status, grpc_code = "unsupported-media-type", "Unsupported media type", 415, 3


class UnsupportedCoding(UnsupportedMediaType):
    slug, title = "unsupported-content-coding", "Unsupported content coding"


class UndecodableMedia(Problem):
    slug, title, status, grpc_code = "undecodable-media", "Undecodable media", 422, 3


class TooManyPixels(Problem):
    slug, title, status, grpc_code = "too-many-pixels", "Too many pixels", 422, 3


class InvalidCursor(Problem):
    slug, title, status, grpc_code = "invalid-cursor", "Invalid cursor", 422, 3


class RefusedURL(Problem):
    slug, title, status, grpc_code = "refused-url", "Refused URL", 422, 3


class UnreachableURL(Problem):
    slug, title, status, grpc_code = "unreachable-url", "Unreachable URL", 422, 9


class Overloaded(Problem):
    slug, title, status, grpc_code = "overloaded", "Overloaded", 429, 8


class RateLimited(Problem):
    slug, title, status, grpc_code = "rate-limited", "Rate limited", 429, 8


class QuotaExceeded(Problem):
    slug, title, status, grpc_code = "quota-exceeded", "Quota exceeded", 429, 8


class Internal(Problem):
    pass


class NotReady(Problem):
    slug, title, status, grpc_code = "not-ready", "Not ready", 503, 14


class UpstreamUnavailable(Problem):
    slug, title, status, grpc_code = "upstream-unavailable", "Upstream unavailable", 503, 14


class EnsembleUnavailable(UpstreamUnavailable):
    slug, title = "ensemble-unavailable", "Ensemble unavailable"


class DeadlineExceeded(Problem):
    slug, title, status, grpc_code = "deadline-exceeded", "Deadline exceeded", 504, 4


class StorageFull(Problem):
    slug, title, status, grpc_code = "storage-full", "Storage full", 507, 8


def _truncate(detail: str) -> str:
    """Truncates a detail, parts of which come from the client and may not be valid Unicode."""
    data = detail.encode(errors="backslashreplace")
    if len(data) > _MAX_DETAIL_BYTES:
        return data[:_MAX_DETAIL_BYTES].decode(errors="ignore") + "…"
    return data.decode()


def _subclasses(cls: type[Problem]) -> list[type[Problem]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _subclasses(child))]


BY_TYPE: dict[str, type[Problem]] = {TYPE_PREFIX + c.slug: c for c in _subclasses(Problem)}


def from_dict(document: dict[str, Any]) -> Problem:
    """Returns the exception of a problem document; `Internal` where its type is unknown."""
    cls = BY_TYPE.get(str(document.get("type")), Internal)
    retry = document.get("retry_after_s")
    return cls(
        str(document.get("detail", cls.title)),
        retry_after_s=retry if isinstance(retry, int) else None,
    )
