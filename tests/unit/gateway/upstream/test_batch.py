"""A batch ends with its deadline, with all of its work."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, ClassVar, Self, cast

from deepfake_serving.contracts.problems import DeadlineExceeded, UndecodableMedia
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.batch import detect_batch
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.runtime.tasks import first_of
from tests.support.running import GUARD_S


class SlowUpstream:
    """Responds to the first image, never to the others."""

    def __init__(self) -> None:
        self.started: list[bytes] = []

    async def detect_image(
        self, image: bytes, _model: str, _context: RequestContext, **_: bool
    ) -> bytes:
        self.started.append(image)
        if image != b"0":
            await asyncio.Event().wait()
        return b"{}"


async def run_batch(deadline_s: float) -> tuple[SlowUpstream, list[Any]]:
    async def read(number: int) -> bytes:
        return b"%d" % number

    upstream = SlowUpstream()
    images = [lambda n=n: read(n) for n in range(64)]
    context = RequestContext("id", asyncio.get_running_loop().time() + deadline_s)
    analysis = ImageAnalysis(cast("Upstream", upstream), "detector")
    results = await detect_batch(analysis, images, context)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return upstream, results


def test_images_without_a_verdict_at_the_deadline_are_problems_and_start_no_more() -> None:
    upstream, results = asyncio.run(run_batch(0.2))
    assert results[0] == b"{}"
    assert len(results) == 64
    assert all(isinstance(result, DeadlineExceeded) for result in results[1:])
    assert len(upstream.started) == 9


class Image(bytes):
    """An image that counts how many of its kind are alive."""

    alive: ClassVar[int] = 0

    def __new__(cls) -> Self:
        Image.alive += 1
        return super().__new__(cls, 1)

    def __del__(self) -> None:
        Image.alive -= 1


class RefusingUpstream:
    async def detect_image(
        self, image: bytes, _model: str, _context: RequestContext, **_: bool
    ) -> bytes:
        async def refuse(refused: bytes) -> bytes:
            raise UndecodableMedia("the image is corrupt")

        assert Image.alive <= 8
        _, verdict = await first_of(refuse(image), asyncio.Event().wait())
        return cast("bytes", verdict)


async def test_refused_images_are_freed_before_the_batch_ends() -> None:
    async def read() -> bytes:
        return Image()

    analysis = ImageAnalysis(cast("Upstream", RefusingUpstream()), "detector")
    context = RequestContext("id", asyncio.get_running_loop().time() + GUARD_S)
    gc.disable()
    try:
        results = await detect_batch(analysis, [read] * 64, context)
        assert Image.alive == 0
    finally:
        gc.enable()
    assert all(isinstance(result, UndecodableMedia) for result in results)
