"""A batch ends with its deadline, with all of its work."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from deepfake_serving.contracts.problems import DeadlineExceeded
from deepfake_serving.gateway.upstream.analysis import ImageAnalysis
from deepfake_serving.gateway.upstream.batch import detect_batch
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream


class SlowUpstream:
    """Responds to the first image, never to the others."""

    def __init__(self) -> None:
        self.started: list[bytes] = []

    async def detect_image(
        self, image: bytes, _model: str, _context: RequestContext, *, explain: bool
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
