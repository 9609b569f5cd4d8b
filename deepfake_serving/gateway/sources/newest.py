"""At most one piece that waits: what is shown of a live source is never far behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from deepfake_serving.gateway.sources.segment import Segment

_BEHIND = "the analysis fell behind"


class Newest:
    """A queue of one piece, for one reader; a newer piece takes the place of one that waits."""

    def __init__(self) -> None:
        self._piece: Segment | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, piece: Segment | None) -> None:
        """Nothing is put for None."""
        if piece is None:
            return
        if self._piece is not None:
            self._piece.path.unlink(missing_ok=True)
            piece = replace(piece, gap=_BEHIND)
        self._piece = piece
        self._changed.set()

    def close(self) -> None:
        """After the piece that waits there are no more."""
        self._closed = True
        self._changed.set()

    async def get(self) -> Segment | None:
        """The next piece; None after the last."""
        while self._piece is None and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        piece, self._piece = self._piece, None
        return piece
