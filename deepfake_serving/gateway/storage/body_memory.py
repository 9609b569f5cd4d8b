"""Memory of request bodies that are not spooled to disk, over all requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from deepfake_serving.contracts.problems import Overloaded


class BodyMemory:
    """Limits the bytes of requests at once, in all and by API key, also those of bodies that never
    end."""

    def __init__(self, total: int) -> None:
        self.total = self._free = total
        self._by_key: Counter[str | None] = Counter()

    @contextmanager
    def track(self, key: str | None = None, share: int | None = None) -> Iterator[Held]:
        """Counts the bytes of one request until the block ends.

        Args:
            key: the API key, if any.
            share: the most bytes of its requests; all by default.
        """
        held = Held(self, key, self.total if share is None else share)
        try:
            yield held
        finally:
            self._free += held.size
            self._by_key -= Counter({key: held.size})

    def take(self, size: int, key: str | None, share: int) -> None:
        """
        Raises:
            Overloaded: there is not as much left, or not of the key's share.
        """
        if key is not None and self._by_key[key] + size > share:
            raise Overloaded("too many large bodies of this API key at once", retry_after_s=1)
        if size > self._free:
            raise Overloaded("too many large bodies at once", retry_after_s=1)
        self._free -= size
        self._by_key[key] += size


class Held:
    """The bytes of one request."""

    def __init__(self, memory: BodyMemory, key: str | None, share: int) -> None:
        self._memory, self._key, self._share, self.size = memory, key, share, 0

    def add(self, size: int) -> None:
        """Adds a chunk that has arrived.

        Raises:
            Overloaded: the sum is over the limit.
        """
        self._memory.take(size, self._key, self._share)
        self.size += size
