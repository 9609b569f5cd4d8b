"""A limit of the processor time that one image may take.

Decoders of AVIF and HEIC can't be interrupted, and the parts of a file do not bound their work. So
an image is decoded in a thread of its own. One that takes too long is given up: its thread goes on
with the lowest priority, and its worker with other images.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from deepfake_serving.contracts.problems import Overloaded, UndecodableMedia

T = TypeVar("T")

_MAX_GIVEN_UP = 2
"""Threads that were given up and still run. While there are as many, no image is decoded."""
_MIN_WAIT_S = 0.05
_LOWEST_PRIORITY = 19

_given_up: set[threading.Thread] = set()


def within(max_s: float, work: Callable[[], T]) -> T:
    """Returns the result of `work`, which may use `max_s` seconds of processor time.

    Raises:
        UndecodableMedia: it uses more. It goes on, unless it reads from a `LimitedFile`.
        Overloaded: too many threads that were given up still run.
    """
    _given_up.difference_update([each for each in _given_up if not each.is_alive()])
    if len(_given_up) >= _MAX_GIVEN_UP:
        raise Overloaded("images that take too long are being decoded", retry_after_s=10)
    thread = _Work(work)
    thread.start()
    left_s = max_s
    while left_s > 0:
        thread.join(max(_MIN_WAIT_S, left_s))
        if not thread.is_alive():
            return thread.result()
        left_s = max_s - thread.used_s()
    _given_up.add(thread)
    thread.lower_priority()
    raise UndecodableMedia(f"the image takes more than {max_s:g} s to decode")


class LimitedFile(io.BytesIO):
    """An encoded image whose reads fail once the thread has used its time."""

    def __init__(self, data: bytes, max_s: float) -> None:
        super().__init__(data)
        self._end_s = time.thread_time() + max_s
        self._max_s = max_s

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end_s:
            raise UndecodableMedia(f"the image takes more than {self._max_s:g} s to decode")
        return super().read(size)


class _Work(threading.Thread, Generic[T]):
    """A thread with a result."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="decode", daemon=True)
        self._work, self._begun_s = work, time.monotonic()
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """Returns the result of the ended work, or raises its exception."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def used_s(self) -> float:
        """Returns the processor time it has used; outside Linux, the time it has run."""
        if sys.platform == "linux" and self.ident is not None:
            with contextlib.suppress(OSError):  # it has just ended
                return time.clock_gettime(time.pthread_getcpuclockid(self.ident))
        return time.monotonic() - self._begun_s

    def lower_priority(self) -> None:
        """Leaves the processor to others. On Linux, threads have priorities of their own."""
        if sys.platform == "linux" and self.native_id is not None:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.native_id, _LOWEST_PRIORITY)
