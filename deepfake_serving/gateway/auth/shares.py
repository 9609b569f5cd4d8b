"""Shares of a capacity: no API key takes more than its share of what all have at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.gateway.auth.authenticator import Principal

_RETRY_AFTER_S = 10


class Shares:
    """Counts what is open of a kind, such as live streams, in all and by API key."""

    def __init__(self, total: int, what: str) -> None:
        """`what` names them in problems."""
        self._total, self._what = total, what
        self._by_key: Counter[str | None] = Counter()
        self.open = 0

    @contextmanager
    def reserve(self, principal: Principal, share: int | None = None) -> Iterator[None]:
        """Counts one as open until the block ends.

        Args:
            share: the most of the principal; by default its share of the total.

        Raises:
            Overloaded: as many are open already, in all or of the principal's key.
        """
        most = principal.limits.share(self._total) if share is None else share
        if principal.id is not None and self._by_key[principal.id] >= most:
            raise Overloaded(
                f"{most} {self._what} of this API key are open", retry_after_s=_RETRY_AFTER_S
            )
        if self.open >= self._total:
            raise Overloaded(f"{self.open} {self._what} are open", retry_after_s=_RETRY_AFTER_S)
        self.open += 1
        self._by_key[principal.id] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._by_key -= Counter([principal.id])  # drops keys without any
