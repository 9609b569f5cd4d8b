"""Base classes of all users: media, API key, timing, and statistics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from locust import FastHttpUser, User
from locust.exception import StopTest

from loadtest.gates import REFUSED
from loadtest.media import Media, cycle_from_random
from loadtest.responses import Document, InvalidResponse, Refused, read_document
from loadtest.users import tls

T = TypeVar("T")

_BACKOFF_S = 1.0
"""Pause after a 429 or a failure, so that users don't hammer the gateway."""


class GatewayUser(User):
    """A user. A wrong response fails the request but never stops the user."""

    abstract = True
    media: ClassVar[Media]
    """Set before any user is created."""
    measure: ClassVar[tuple[str, str]]
    """Kind and name of the user's main request."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.options = environment.parsed_options
        self.images, self.videos = (
            cycle_from_random(self.media.images),
            cycle_from_random(self.media.videos),
        )
        self.error: Refused | InvalidResponse | None = None
        """The error of the last request, if it failed."""

    @property
    def server(self) -> str:
        """The gateway's URL."""
        if not self.host:
            raise StopTest("--host is missing")
        return self.host.rstrip("/")

    def wait_time(self) -> float:
        """Seconds until the next task."""
        error, self.error = self.error, None
        pause: float = self.options.pause
        return max(pause, _BACKOFF_S) if error else pause

    @staticmethod
    def authorization() -> dict[str, str]:
        """Returns the API key as a header or gRPC metadata."""
        key = os.environ.get("DFK_KEY")
        return {"authorization": f"Bearer {key}"} if key else {}

    @contextmanager
    def timed(self, kind: str, name: str) -> Iterator[None]:
        """Counts the block as one request, failed if it raises `Refused` or `InvalidResponse`."""
        begun, error = time.perf_counter(), None
        try:
            yield
        except (Refused, InvalidResponse) as caught:
            error = caught
        self.count(kind, name, time.perf_counter() - begun, error)

    def count(
        self, kind: str, name: str, seconds: float, error: Refused | InvalidResponse | None = None
    ) -> None:
        """Counts one request."""
        kind, failure = self.outcome(kind, error)
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=seconds * 1000,
            response_length=0,
            exception=failure,
            context={},
        )

    def outcome(
        self, kind: str, error: Refused | InvalidResponse | None
    ) -> tuple[str, Refused | InvalidResponse | None]:
        """Returns the kind to count a request as, and its failure if it is one."""
        if error is None:
            return kind, None
        self.error = error
        if not isinstance(error, Refused):
            return kind, error
        return kind + REFUSED, None if self.options.allow_refused else error


class HttpGatewayUser(GatewayUser, FastHttpUser):
    """An HTTP user with its own keep-alive connection. Certificates are verified."""

    abstract = True
    insecure = False
    ssl_context_factory = staticmethod(tls.context)
    concurrency = 1

    def __init__(self, environment: Any) -> None:
        self.connection_timeout = self.network_timeout = environment.parsed_options.timeout
        super().__init__(environment)

    def request(
        self,
        method: str,
        path: str,
        check: Callable[[Document], T],
        *,
        name: str | None = None,
        expected: int = 200,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> T | None:
        """Sends a request. Returns the result of `check` on the document; None on failure."""
        all_headers = self.authorization() | (headers or {})
        with self.client.request(
            method,
            path,
            name=name,
            data=data,  # type: ignore[arg-type]  # bytes too, which Locust's annotation lacks
            headers=all_headers,
            catch_response=True,
        ) as response:
            try:
                result = check(_read_document(response, expected))
            except (Refused, InvalidResponse) as error:
                kind, failure = self.outcome(method, error)
                response.request_meta["request_type"] = kind
                response.failure(failure) if failure else response.success()
                return None
            response.success()
            return result


def _read_document(response: Any, expected: int) -> Document:
    if not response.status_code:
        raise InvalidResponse(f"no response: {type(response.error).__name__}")
    content_type = response.headers.get("content-type") or ""
    return read_document(response.status_code, content_type, response.content or b"", expected)
