"""What a live source is cut into."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MOST_BYTES = 64 * 2**20
"""Of a piece, at which it is cut whatever its length: a minute of 8 Mbit/s."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a source as a file that can be decoded alone.

    `gap` says why what came between it and the piece before is missing, where something is.
    """

    path: Path
    seconds: float
    gap: str | None = None


class Source(Protocol):
    """A live source, which may be connected to again after it was lost."""

    def pieces(self) -> AsyncGenerator[Segment, None]:
        """Pieces as they come, until the source ends.

        Raises:
            UnreachableURL, DeadlineExceeded: it was lost.
            Problem: it is none, or leads to where nobody may go.
        """
        ...
