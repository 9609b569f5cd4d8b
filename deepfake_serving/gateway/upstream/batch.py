"""Several pictures of one request: each asked about alone, on whichever replicas have room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream

_AT_ONCE = 8

Picture = Callable[[], Awaitable[bytes]] | Problem
"""How to read a picture, or why there is none."""


async def judge_all(
    upstream: Upstream, pictures: Sequence[Picture], model: str, asked: RequestContext
) -> list[bytes | Problem]:
    """The JSON of each picture's verdict, or the problem in its place, in the order given."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def judge(place: int, picture: Picture) -> bytes | Problem:
        try:
            if isinstance(picture, Problem):
                return picture
            async with room:
                return await upstream.picture(await picture(), model, asked.part(place))
        except Problem as problem:
            return problem

    return await asyncio.gather(*(judge(n, picture) for n, picture in enumerate(pictures)))
