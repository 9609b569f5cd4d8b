"""Retention of feedback, of remembered image responses and of the images that are kept."""

from __future__ import annotations

from deepfake_serving.gateway.feedback.images import FOLDER, owner_of
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.queue.collections.collection import Collection
from deepfake_serving.gateway.queue.collections.trimming import trim
from deepfake_serving.gateway.queue.fairness import to_make_room
from deepfake_serving.gateway.storage.objects import Objects


async def delete_expired_images(
    images: Collection, objects: Objects, before: float, max_count: int, max_bytes: int
) -> None:
    """Forgets image responses, and deletes kept images.

    Args:
        before: Time before which all are deleted.
        max_count: Image responses to remember. Above it, the oldest of the API key with the most
            are forgotten.
        max_bytes: Size of all kept images. Above it, the oldest of the API key with the most bytes
            are deleted.
    """
    await images.delete_before(before)
    await trim(images, max_count, owner_of)
    kept: list[tuple[float, int, str]] = []
    async for key, size, modified in objects.walk(FOLDER):
        if modified < before:
            await objects.delete(key)
        else:
            kept.append((modified, size, key))
    await _make_room(objects, sorted(kept), max_bytes)


async def _make_room(objects: Objects, kept: list[tuple[float, int, str]], max_bytes: int) -> None:
    """Deletes kept images above a size.

    Args:
        kept: times, sizes and keys, the oldest first.
    """
    excess = sum(size for _, size, _ in kept) - max_bytes
    stored = (((key, size), key.rpartition("/")[0], size) for _, size, key in kept)
    for key, size in to_make_room(stored):
        if excess <= 0:
            return
        await objects.delete(key)
        excess -= size


async def delete_expired_feedback(feedback: Collection, before: float) -> None:
    """Deletes feedback that was given before a time. That on a job is deleted with the job."""
    await FeedbackStore(feedback).trim(before)
