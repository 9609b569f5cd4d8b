"""Limits the number of documents in a collection, fairly between those that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from deepfake_serving.gateway.queue.collections.collection import Collection
from deepfake_serving.gateway.queue.fairness import to_make_room

_PAGE = 500


async def trim(collection: Collection, max_count: int, owner_of: Callable[[str], str]) -> None:
    """Deletes documents above a number: always the oldest of the owner that has the most.

    Args:
        owner_of: returns the owner of a document by its key.
    """
    keys = await collection.keys(above=max_count)
    order = to_make_room((key, owner_of(key), 1) for key in keys)
    excess = islice(order, max(0, len(keys) - max_count))
    while page := list(islice(excess, _PAGE)):
        await collection.remove(page)
