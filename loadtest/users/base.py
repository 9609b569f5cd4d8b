"""What all callers share: media, the key, the clock, and how an outcome is counted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from locust import FastHttpUser, User
from locust.exception import StopTest

from loadtest.gates import REFUSED
from loadtest.media import Media, in_turn
from loadtest.responses import Document, Refused, Wrong, read
from loadtest.users import tls

T = TypeVar("T")

_AFTER_TROUBLE_S = 1.0
"""Who is refused, or met a failure, comes back after a second, and does not hammer on the door."""


class Caller(User):
    """One user. What it finds wrong is a failure of the request, never an end of the user."""

    abstract = True
    media: ClassVar[Media]
    """Set before any user is made."""
    measure: ClassVar[tuple[str, str]]
    """Kind and name of the requests that the user is there for."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.options = environment.parsed_options
        self.pictures, self.videos = in_turn(self.media.pictures), in_turn(self.media.videos)
        self.trouble: Refused | Wrong | None = None
        """What became of the last request that was not answered well."""

    @property
    def server(self) -> str:
        """The gateway's URL."""
        if not self.host:
            raise StopTest("no --host was given")
        return self.host.rstrip("/")

    def wait_time(self) -> float:
        """Seconds until the next task."""
        trouble, self.trouble = self.trouble, None
        pause: float = self.options.pause
        return max(pause, _AFTER_TROUBLE_S) if trouble else pause

    @staticmethod
    def authorization() -> dict[str, str]:
        """The API key, as a header or as metadata."""
        key = os.environ.get("DFK_KEY")
        return {"authorization": f"Bearer {key}"} if key else {}

    @contextmanager
    def measured(self, kind: str, name: str) -> Iterator[None]:
        """Counts the block as one request, which failed where it raises `Refused` or `Wrong`."""
        begun, trouble = time.perf_counter(), None
        try:
            yield
        except (Refused, Wrong) as raised:
            trouble = raised
        self.count(kind, name, time.perf_counter() - begun, trouble)

    def count(
        self, kind: str, name: str, seconds: float, trouble: Refused | Wrong | None = None
    ) -> None:
        """One request that took so long."""
        kind, failure = self.outcome(kind, trouble)
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=seconds * 1000,
            response_length=0,
            exception=failure,
            context={},
        )

    def outcome(
        self, kind: str, trouble: Refused | Wrong | None
    ) -> tuple[str, Refused | Wrong | None]:
        """The kind that a request is counted as, and its failure if it is one."""
        if trouble is None:
            return kind, None
        self.trouble = trouble
        if not isinstance(trouble, Refused):
            return kind, trouble
        return kind + REFUSED, None if self.options.allow_refused else trouble


class HttpCaller(Caller, FastHttpUser):
    """Who speaks HTTP, on a connection of its own that is kept; certificates are checked."""

    abstract = True
    insecure = False
    ssl_context_factory = staticmethod(tls.context)
    concurrency = 1

    def __init__(self, environment: Any) -> None:
        self.connection_timeout = self.network_timeout = environment.parsed_options.timeout
        super().__init__(environment)

    def ask(
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
        """What `check` makes of the answer's document; None where the request failed."""
        sent = self.authorization() | (headers or {})
        with self.client.request(
            method, path, name=name, data=data, headers=sent, catch_response=True
        ) as response:
            try:
                checked = check(_document(response, expected))
            except (Refused, Wrong) as trouble:
                kind, failure = self.outcome(method, trouble)
                response.request_meta["request_type"] = kind
                response.failure(failure) if failure else response.success()
                return None
            response.success()
            return checked


def _document(response: Any, expected: int) -> Document:
    if not response.status_code:
        raise Wrong(f"no answer: {type(response.error).__name__}")
    content_type = response.headers.get("content-type") or ""
    return read(response.status_code, content_type, response.content or b"", expected)
