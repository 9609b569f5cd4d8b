"""Clients that post an image continuously: the load in tests of failures and restarts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import httpx


@dataclass
class ResponseCounts:
    """Counts of responses by status, refused connections and lost responses."""

    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Returns all failures of accepted requests."""
        bad = [f"status {code} x {n}" for code, n in self.statuses.items() if code != 200]
        return bad + self.lost


class LoadClients:
    """`count` threads that post `image` continuously, each on a keep-alive connection.

    A refused connection ends a client without an error: the server accepts no more connections.
    Any other request without a response counts as lost.
    """

    def __init__(self, url: str, image: bytes, count: int = 8) -> None:
        self.counts = ResponseCounts()
        self._url, self._image = url, image
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]

    def __enter__(self) -> LoadClients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def completed(self) -> int:
        return self.counts.statuses.total()

    def until(self, responses: int, timeout_s: float = 300) -> None:
        """Waits for this many further responses."""
        goal, end = self.completed + responses, time.monotonic() + timeout_s
        while self.completed < goal:
            assert time.monotonic() < end, f"{self.counts} after {timeout_s} s"
            time.sleep(0.02)

    def stop(self, timeout_s: float = 300) -> ResponseCounts:
        """Lets every client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)
        return self.counts

    def _call(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(self._url, content=self._image)
                except httpx.ConnectError:
                    with self._lock:
                        self.counts.refused += 1
                    return
                except httpx.HTTPError as error:
                    with self._lock:
                        self.counts.lost.append(repr(error))
                    return
                with self._lock:
                    self.counts.statuses[response.status_code] += 1
