"""Every error that a client can receive, as one tree of exceptions.

    Problem
    ├── InvalidRequest        400
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── NotFound              404
    │   └── UnknownModel      404
    ├── MethodNotAllowed      405
    ├── SlowRequest           408
    ├── Conflict              409
    ├── UnsupportedVersion    412
    ├── TooLarge              413
    │   └── MessageTooLarge   413
    ├── UnsupportedMediaType  415
    │   └── UnsupportedCoding 415
    ├── UnsatisfiableRange    416
    ├── UndecodableMedia      422
    ├── TooManyPixels         422
    ├── InvalidCursor         422
    ├── RefusedURL            422
    ├── UnreachableURL        422
    ├── UpgradeRequired       426
    ├── Overloaded            429
    ├── RateLimited           429
    ├── QuotaExceeded         429
    ├── Internal              500
    ├── NotReady              503
    ├── UpstreamUnavailable   503
    │   └── EnsembleUnavailable 503
    ├── DeadlineExceeded      504
    └── StorageFull           507

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
    """The request is malformed: `detail` names the parameter, field or member to correct."""

    slug, title, status, grpc_code = "invalid-request", "Invalid request", 400, 3


class Unauthorized(Problem):
    """The API key is missing or unknown: send `Authorization: Bearer dfk_…`."""

    slug, title, status, grpc_code = "unauthorized", "Unauthorized", 401, 16


class Forbidden(Problem):
    """The API key lacks a scope, or the operation is not allowed: use a key with that scope."""

    slug, title, status, grpc_code = "forbidden", "Forbidden", 403, 7


class NotFound(Problem):
    """There is no such route, job or image, or it is another key's, or it was deleted."""

    slug, title, status, grpc_code = "not-found", "Not found", 404, 5


class UnknownModel(NotFound):
    """There is no such model or version: `GET /v1/models` lists them."""

    slug, title = "unknown-model", "Unknown model"


class MethodNotAllowed(Problem):
    """The route exists, the method does not: `Allow` lists those that do."""

    slug, title, status, grpc_code = "method-not-allowed", "Method not allowed", 405, 12


class SlowRequest(Problem):
    """The body arrived too slowly: send it again, or less at once."""

    slug, title, status, grpc_code = "slow-request", "Slow request", 408, 4


class Conflict(Problem):
    """The request contradicts an earlier one, or the state of the job: read that first."""

    slug, title, status, grpc_code = "conflict", "Conflict", 409, 9


class UnsupportedVersion(Problem):
    """That version of the tus protocol is not supported: use 1.0.0."""

    slug, title, status, grpc_code = "unsupported-version", "Unsupported version", 412, 9


class TooLarge(Problem):
    """The file or body has more bytes than the limit in `detail`: send a smaller one."""

    slug, title, status, grpc_code = "too-large", "Too large", 413, 3


class MessageTooLarge(TooLarge):
    """The gRPC message is over the limit: send fewer or smaller images."""

    slug, title, grpc_code = "message-too-large", "Message too large", 8  # as gRPC itself has it


class UnsupportedMediaType(Problem):
    """The format or Content-Type is not supported: `detail` lists those that are."""

    slug, title, status, grpc_code = "unsupported-media-type", "Unsupported media type", 415, 3


class UnsupportedCoding(UnsupportedMediaType):
    """The Content-Encoding is not supported: send gzip, deflate or no coding."""

    slug, title = "unsupported-content-coding", "Unsupported content coding"


class UnsatisfiableRange(Problem):
    """The range begins after the end of the file: `Content-Range` has its size."""

    slug, title, status, grpc_code = "unsatisfiable-range", "Unsatisfiable range", 416, 11


class UndecodableMedia(Problem):
    """The format is known, but the file is damaged: export or download it again."""

    slug, title, status, grpc_code = "undecodable-media", "Undecodable media", 422, 3


class TooManyPixels(Problem):
    """The image would decode to more pixels than the limit: scale it down."""

    slug, title, status, grpc_code = "too-many-pixels", "Too many pixels", 422, 3


class InvalidCursor(Problem):
    """No page of results had this cursor: list from the start."""

    slug, title, status, grpc_code = "invalid-cursor", "Invalid cursor", 422, 3


class RefusedURL(Problem):
    """The policy forbids fetching this URL: send the file itself."""

    slug, title, status, grpc_code = "refused-url", "Refused URL", 422, 3


class UnreachableURL(Problem):
    """The URL could not be fetched: check it, or send the file itself."""

    slug, title, status, grpc_code = "unreachable-url", "Unreachable URL", 422, 9


class UpgradeRequired(Problem):
    """The path is a WebSocket: connect to it as one, through proxies that pass on `Upgrade`."""

    slug, title, status, grpc_code = "upgrade-required", "Upgrade required", 426, 9


class Overloaded(Problem):
    """The queue is full: retry after `retry_after_s`."""

    slug, title, status, grpc_code = "overloaded", "Overloaded", 429, 8


class RateLimited(Problem):
    """The API key has reached its rate limit: retry after `retry_after_s`."""

    slug, title, status, grpc_code = "rate-limited", "Rate limited", 429, 8


class QuotaExceeded(Problem):
    """The API key has used up a daily quota: retry after `retry_after_s`."""

    slug, title, status, grpc_code = "quota-exceeded", "Quota exceeded", 429, 8


class Internal(Problem):
    """A bug of the service, never the fault of the request: report its `id`."""


class NotReady(Problem):
    """The service starts or stops, or no worker is up: retry."""

    slug, title, status, grpc_code = "not-ready", "Not ready", 503, 14


class UpstreamUnavailable(Problem):
    """A model server or store did not respond, also after retries: retry later."""

    slug, title, status, grpc_code = "upstream-unavailable", "Upstream unavailable", 503, 14


class EnsembleUnavailable(UpstreamUnavailable):
    """Too few members of the ensemble responded: retry, or choose one model."""

    slug, title = "ensemble-unavailable", "Ensemble unavailable"


class DeadlineExceeded(Problem):
    """The deadline of the request passed: allow more time, or send less."""

    slug, title, status, grpc_code = "deadline-exceeded", "Deadline exceeded", 504, 4


class StorageFull(Problem):
    """There is no space left for an upload: delete jobs, or tell the operator."""

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
