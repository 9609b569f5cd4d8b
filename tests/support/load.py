"""Callers that never stop asking: the load under which the server is hurt."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import httpx


@dataclass
class Tally:
    """What the callers met: answers by status, connections refused, and answers that were lost."""

    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[str]:
        """Everything that went wrong with a request that the server had taken."""
        bad = [f"status {code} x {n}" for code, n in self.statuses.items() if code != 200]
        return bad + self.lost


class Callers:
    """`count` threads that post `picture` again and again, each on a kept connection.

    A refused connection ends a caller quietly: the server said that it takes no more. Anything
    else that is no answer is a loss.
    """

    def __init__(self, url: str, picture: bytes, count: int = 8) -> None:
        self.tally = Tally()
        self._url, self._picture = url, picture
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(count)]

    def __enter__(self) -> Callers:
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
    def answered(self) -> int:
        return self.tally.statuses.total()

    def until(self, answers: int, timeout_s: float = 120) -> None:
        """Waits until that many more requests have been answered."""
        goal, end = self.answered + answers, time.monotonic() + timeout_s
        while self.answered < goal:
            assert time.monotonic() < end, f"{self.tally} after {timeout_s} s"
            time.sleep(0.02)

    def stop(self, timeout_s: float = 120) -> Tally:
        """Lets every caller finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)
        return self.tally

    def _call(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(self._url, content=self._picture)
                except httpx.ConnectError:
                    with self._lock:
                        self.tally.refused += 1
                    return
                except httpx.HTTPError as error:
                    with self._lock:
                        self.tally.lost.append(repr(error))
                    return
                with self._lock:
                    self.tally.statuses[response.status_code] += 1
