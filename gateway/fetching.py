"""Media that are named by their URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from gateway.settings import Settings


class Fetcher(Protocol):
    """Brings media from elsewhere."""

    def check(self, url: str) -> None:
        """Raises `RefusedURL` where the URL alone tells that it is not fetched."""
        ...

    async def fetch(self, url: str, write: Callable[[bytes], object], most_bytes: int) -> None:
        """Hands over the medium piece by piece.

        Raises:
            RefusedURL, UnreachableURL, TooLarge, DeadlineExceeded
        """
        ...


@asynccontextmanager
async def open_fetcher(settings: Settings) -> AsyncIterator[Fetcher | None]:
    """None where media are not fetched."""
    yield None
