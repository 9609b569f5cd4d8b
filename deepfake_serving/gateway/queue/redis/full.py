"""Changes in a Redis that is full: deletions make room, and the jobs that it has can end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import OutOfMemoryError, WatchError

_CHANGE = """#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local at = 2
while at <= #ARGV do
  redis.call(unpack(ARGV, at + 1, at + ARGV[at]))
  at = at + 1 + ARGV[at]
end
return 1
"""
"""Each command follows the number of its words."""


async def change_in_full(
    client: Any, key: str, before: bytes, commands: Sequence[Sequence[Any]]
) -> None:
    """Runs commands atomically, although there is no memory for them: it has to be a little.

    Args:
        before: the value of the key that the commands are based on.

    Raises:
        WatchError: the key has another value.
    """
    words = [word for command in commands for word in (len(command), *command)]
    if not await client.eval(_CHANGE, 1, key, before, *words):
        raise WatchError("the key has changed")


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
