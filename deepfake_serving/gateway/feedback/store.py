"""Stored feedback. Later feedback of the same key on the same face replaces the earlier one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

import structlog

from deepfake_serving.gateway.feedback.records import Feedback
from deepfake_serving.gateway.queue.collections.collection import Collection as DocumentCollection
from deepfake_serving.gateway.queue.collections.collection import Document
from deepfake_serving.gateway.queue.collections.trimming import trim
from deepfake_serving.runtime.serialization import from_json, to_json

log = structlog.get_logger(__name__)

_PAGE = 200
_MAX_COUNT = 100_000
"""Above it, the oldest of the key that gave the most is deleted: a client must not fill the job
store."""

Cursor = tuple[float, str]


class FeedbackStore:
    """All feedback, in a collection of the job store."""

    def __init__(self, collection: DocumentCollection) -> None:
        self._collection = collection

    async def put(self, feedback: Feedback) -> None:
        """Stores feedback."""
        document = Document(_key(feedback), feedback.created_at, to_json(feedback))
        await self._collection.put([document])

    async def page(
        self, limit: int, before: Cursor | None = None
    ) -> tuple[list[Feedback], Cursor | None]:
        """Returns feedback, the newest first, and where the next page begins; None at the end."""
        documents = await self._collection.page(limit + 1, before)
        shown = documents[:limit]
        last = (shown[-1].created_at, shown[-1].key) if len(documents) > limit else None
        return [found for each in shown if (found := _parse(each)) is not None], last

    async def all(self) -> AsyncIterator[Feedback]:
        """Yields all feedback, the newest first."""
        cursor: Cursor | None = None
        while True:
            page, cursor = await self.page(_PAGE, cursor)
            for feedback in page:
                yield feedback
            if cursor is None:
                return

    async def forget_jobs(self, job_ids: Collection[str]) -> None:
        """Deletes the feedback on jobs."""
        if not job_ids:
            return
        await self.remove([each async for each in self.all() if each.id in job_ids])

    async def forget_image(self, owner: str | None, image_id: str) -> None:
        """Deletes the feedback on an image response. Clients choose its id, so others may have the
        same."""
        image = "image", owner, image_id
        found = [f async for f in self.all() if (f.kind, f.owner, f.id) == image]
        await self.remove(found)

    async def remove(self, feedback: Sequence[Feedback]) -> None:
        """Deletes feedback."""
        if feedback:
            await self._collection.remove([_key(each) for each in feedback])

    async def trim(self, before: float) -> None:
        """Deletes feedback that was given before a time, and that above the number of all."""
        await self._collection.delete_before(before)
        await trim(self._collection, _MAX_COUNT, _giver)


def _key(feedback: Feedback) -> str:
    part = feedback.track if feedback.face is None else str(feedback.face)
    return "|".join([feedback.id, part or "", feedback.key or ""])


def _giver(key: str) -> str:
    """Returns the API key of feedback by the key of its document."""
    return key.rpartition("|")[2]


def _parse(document: Document) -> Feedback | None:
    try:
        return from_json(Feedback, document.data)
    except ValueError as error:
        log.error("unreadable feedback", reason=str(error)[:200])
        return None
