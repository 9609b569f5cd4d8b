"""Deletion in Redis, which has to work in one that is full: nothing else makes room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.exceptions import OutOfMemoryError


async def delete(client: Any, commands: Callable[[Any], None]) -> None:
    """Runs commands that delete in a transaction. A full Redis refuses all transactions, also those
    that only delete, so there they run one after the other.

    Args:
        commands: Adds the commands to a pipeline.
    """
    try:
        await _run(client, commands, transaction=True)
    except OutOfMemoryError:
        await _run(client, commands, transaction=False)


async def _run(client: Any, commands: Callable[[Any], None], *, transaction: bool) -> None:
    async with client.pipeline(transaction=transaction) as pipeline:
        commands(pipeline)
        await pipeline.execute()
