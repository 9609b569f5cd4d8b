"""Memory of request bodies that are not spooled to disk, over all requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deepfake_serving.contracts.problems import Overloaded


class BodyMemory:
    """Limits the bytes of requests at once, also those of bodies that never end."""

    def __init__(self, total: int) -> None:
        self._free = total

    @contextmanager
    def track(self) -> Iterator[Held]:
        """Counts the bytes of one request until the block ends."""
        held = Held(self)
        try:
            yield held
        finally:
            self._free += held.size

    def take(self, size: int) -> None:
        """
        Raises:
            Overloaded: there is not as much left.
        """
        if size > self._free:
            raise Overloaded("too many large bodies at once", retry_after_s=1)
        self._free -= size


class Held:
    """The bytes of one request."""

    def __init__(self, memory: BodyMemory) -> None:
        self._memory, self.size = memory, 0

    def add(self, size: int) -> None:
        """Adds a chunk that has arrived.

        Raises:
            Overloaded: the sum is over the limit.
        """
        self._memory.take(size)
        self.size += size
