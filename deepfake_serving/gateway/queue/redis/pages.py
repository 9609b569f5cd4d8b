"""Pages of a sorted set, the highest score first, while others change the set."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

PAGE = 200


async def descending(
    client: Any, key: str, top: float | None
) -> AsyncGenerator[list[tuple[float, str]], None]:
    """Yields scores and members, a page at a time.

    Each page begins after the last member of the one before. An offset from the top would repeat
    members where others are added meanwhile, and leave out some where others are removed.

    Args:
        top: the highest score, inclusive; None: there is no limit.
    """
    limit, passed = "+inf" if top is None else top, 0
    while members := await client.zrevrangebyscore(
        key, limit, "-inf", start=passed, num=PAGE, withscores=True
    ):
        yield [(score, member.decode()) for member, score in members]
        last = members[-1][1]
        ties = sum(score == last for _, score in members)
        limit, passed = last, ties + (passed if last == limit else 0)
