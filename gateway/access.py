"""Who asks: the API key of a request, its scopes, and its rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks; `id` is that of their API key, None where none is needed."""

    id: str | None = None
    sees_all: bool = True

    def may_see(self, owner: str | None) -> bool:
        """Whether a job of that owner is theirs to see."""
        return self.sees_all or owner == self.id


class Access:
    """The door."""

    needed = False

    async def allow(self, headers: Mapping[str, str], scope: str) -> Principal:
        """Lets a request pass whose key has the scope and is within its rate.

        Raises:
            Unauthorized, Forbidden, RateLimited
        """
        return Principal()
