"""The interface of a collection: documents by key, listed by their time."""

from __future__ import annotations

from collections.abc import Collection as Keys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Name = Literal["images", "feedback", "uploads"]


@dataclass(frozen=True, slots=True)
class Document:
    """A document; `created_at` is in seconds since the epoch."""

    key: str
    created_at: float
    data: bytes


class Collection(Protocol):
    """Documents that gateways share. Methods raise problems as `Backend`'s do."""

    async def put(self, documents: Sequence[Document]) -> None:
        """Stores documents, in place of those with the same keys."""
        ...

    async def get(self, key: str) -> Document | None:
        """Returns a document."""
        ...

    async def page(self, limit: int, before: tuple[float, str] | None = None) -> list[Document]:
        """Returns documents, the newest first.

        Args:
            before: Time and key of the last document of the previous page.
        """
        ...

    async def remove(self, keys: Keys[str]) -> None:
        """Deletes documents."""
        ...

    async def delete_before(self, time: float) -> None:
        """Deletes documents from before a time."""
        ...

    async def keys(self, above: int) -> list[str]:
        """Returns the keys of all documents, the oldest first, if there are more than a number;
        else none."""
        ...
