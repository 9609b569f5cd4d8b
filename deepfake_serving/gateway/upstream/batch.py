"""Detection on the images of a batch: each is its own request, on whichever replica is free."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from deepfake_serving.contracts.problems import DeadlineExceeded, Problem
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.client import RequestContext

_MAX_CONCURRENT = 8

ImageSource = Callable[[], Awaitable[bytes]] | Problem
"""A function that reads an image, or a problem at its position."""


async def detect_batch(
    analysis: ImageAnalysis, images: Sequence[ImageSource], context: RequestContext
) -> list[bytes | Problem]:
    """Returns the JSON of each image's verdict, or a problem at its position, in order.

    Images that the deadline leaves without a verdict have a `DeadlineExceeded`.
    """
    late = DeadlineExceeded("no response within the deadline")
    results: list[bytes | Problem] = [late] * len(images)
    waiting = iter(enumerate(images))

    async def work() -> None:
        for number, image in waiting:
            results[number] = await _detect(analysis, image, context.for_item(number))

    try:
        async with asyncio.timeout_at(context.deadline), asyncio.TaskGroup() as workers:
            for _ in range(min(_MAX_CONCURRENT, len(images))):
                workers.create_task(work())
    except TimeoutError:
        pass
    return results


async def _detect(
    analysis: ImageAnalysis, image: ImageSource, context: RequestContext
) -> bytes | Problem:
    if isinstance(image, Problem):
        return image
    try:
        return await analysis.run(await image(), context)
    except Problem as problem:
        forget_traceback(problem)
        return problem
