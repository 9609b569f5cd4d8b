"""Retention of resumable uploads: the expired are deleted, and parts that no upload has."""

from __future__ import annotations

from collections import defaultdict

from deepfake_serving.gateway.queue.collections.collection import Collection
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.uploads.service import FOLDER

_ORPHAN_AGE_S = 3600.0


async def delete_expired_uploads(
    collection: Collection, objects: Objects, now: float, expire_s: float
) -> int:
    """Deletes uploads that were created `expire_s` ago, and returns how many had parts."""
    await collection.delete_before(now - expire_s)
    modified: dict[str, float] = defaultdict(float)
    async for key, _, at in objects.walk(FOLDER):
        upload_id = key.split("/")[1]
        modified[upload_id] = max(modified[upload_id], at)
    deleted = 0
    for upload_id, at in modified.items():
        age_s = min(_ORPHAN_AGE_S, expire_s)
        if at < now - age_s and await collection.get(upload_id) is None:
            await objects.delete_all(f"{FOLDER}/{upload_id}")
            deleted += 1
    return deleted
