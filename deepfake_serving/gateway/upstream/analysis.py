"""The analysis of one image: its verdict, and on request its provenance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from deepfake_serving.contracts.problems import DeadlineExceeded
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.relative_boxes import BoxUnit, convert_boxes
from deepfake_serving.provenance.reader import ProvenanceReader


@dataclass(frozen=True, slots=True)
class ImageAnalysis:
    """The options that the images of one request share."""

    upstream: Upstream
    model: str
    explain: bool = False
    """Whether faces get a heatmap."""
    provenance: ProvenanceReader | None = None
    """Reads the provenance; None: it is not requested."""
    boxes: BoxUnit = "pixels"
    preview: bool = False
    """Whether the verdict has a copy of the image that every browser shows."""
    on_verdict: Callable[[bytes, bytes, str], Awaitable[None]] | None = None
    """Called with each image, the JSON of its verdict, and the id of its response."""
    on_timed: Callable[[bytes, float, str], None] | None = None
    """Called with the JSON of each verdict, the seconds it took, and the id of its response."""

    async def run(self, image: bytes, context: RequestContext) -> bytes:
        """Returns the JSON of an image's verdict. Detection and provenance run side by side.

        Raises:
            Problem: the image can't be analysed.
        """
        start = time.perf_counter()
        verdict = await self._analyse(image, context)
        if self.on_timed is not None:
            self.on_timed(verdict, time.perf_counter() - start, context.id)
        if self.on_verdict is not None:
            await self.on_verdict(image, verdict, context.id)
        return convert_boxes(verdict, self.boxes)

    async def _analyse(self, image: bytes, context: RequestContext) -> bytes:
        detecting = self.upstream.detect_image(
            image, self.model, context, explain=self.explain, preview=self.preview
        )
        if self.provenance is None:
            return await detecting
        reading = asyncio.create_task(self.provenance.read(image))
        try:
            verdict = orjson.loads(await detecting)
            async with asyncio.timeout_at(context.deadline):
                return orjson.dumps(verdict | {"provenance": await reading})
        except TimeoutError:
            raise DeadlineExceeded("the provenance was not read within the deadline") from None
        finally:
            reading.cancel()
