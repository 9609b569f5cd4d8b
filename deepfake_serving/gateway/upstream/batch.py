"""Detection on the images of a batch: each is its own request, on whichever replica is free."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream

_MAX_CONCURRENT = 8

ImageSource = Callable[[], Awaitable[bytes]] | Problem
"""A function that reads an image, or a problem at its position."""


async def detect_batch(
    upstream: Upstream, images: Sequence[ImageSource], model: str, context: RequestContext
) -> list[bytes | Problem]:
    """Returns the JSON of each image's verdict, or a problem at its position, in order."""
    slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def detect(number: int, image: ImageSource) -> bytes | Problem:
        if isinstance(image, Problem):
            return image
        try:
            async with slots:
                item = context.for_item(number)
                return await upstream.detect_image(await image(), model, item)
        except Problem as problem:
            return problem

    return await asyncio.gather(*(detect(n, image) for n, image in enumerate(images)))
