"""Segments of a live source."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MAX_SEGMENT_BYTES = 64 * 2**20
"""Size at which a segment ends, whatever its duration: a minute of 8 Mbit/s."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a source, as a file that can be decoded on its own.

    `gap` is the reason why the source is missing between the previous segment and this one.
    """

    path: Path
    seconds: float
    gap: str | None = None


class Source(Protocol):
    """A live source. It can be connected to again after it was lost."""

    def segments(self) -> AsyncGenerator[Segment, None]:
        """Connects, and yields segments until the source ends.

        Raises:
            UnreachableURL, DeadlineExceeded: the source was lost.
            Problem: the source is not supported, or its address is not allowed.
        """
        ...
