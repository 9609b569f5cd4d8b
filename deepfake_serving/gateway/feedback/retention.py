"""Retention of feedback, of remembered image responses and of the images that are kept."""

from __future__ import annotations

from deepfake_serving.gateway.feedback.images import FOLDER
from deepfake_serving.gateway.feedback.store import FeedbackStore
from deepfake_serving.gateway.queue.collections.collection import Collection
from deepfake_serving.gateway.storage.objects import Objects


async def delete_expired_images(
    images: Collection, objects: Objects, before: float, max_count: int, max_bytes: int
) -> None:
    """Forgets image responses, and deletes kept images.

    Args:
        before: Time before which all are deleted.
        max_count: Image responses to remember. Above it, the oldest are forgotten.
        max_bytes: Size of all kept images. Above it, the oldest are deleted.
    """
    await images.trim(before, max_count)
    total = 0
    for key, size, modified in sorted(await objects.list(FOLDER), key=lambda found: -found[2]):
        total += size
        if modified < before or total > max_bytes:
            await objects.delete(key)


async def delete_expired_feedback(feedback: Collection, before: float) -> None:
    """Deletes feedback that was given before a time. That on a job is deleted with the job."""
    await FeedbackStore(feedback).trim(before)
