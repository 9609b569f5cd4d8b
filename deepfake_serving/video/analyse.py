"""A video → its verdict: decoded, judged frame by frame, gathered into shots, added up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.build_shot import build_shot
from deepfake_serving.video.collect import Collector, ShotFrames
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.judged import Answer, judged
from deepfake_serving.video.meter import Meter
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.pipelined import pipelined
from deepfake_serving.video.reading import Batch, Cut, Reader

Detect = Callable[[list[Pixels]], Awaitable[list[Answer]]]
"""Judges frames of one size, uint8 (h, w, 3) RGB, at most `pixels.MOST_BYTES` in all."""
Keep = Callable[[str, bytes], Awaitable[None]]
"""Stores a JPEG under a name."""


async def analyse(
    medium: Path,
    detect: Detect,
    options: VideoOptions,
    gallery: Keep,
    progress: Callable[[Progress], None],
) -> VideoVerdict:
    """Analyses one file. Cancelling it stops all that it has begun, and closes the file.

    Args:
        detect: may raise a Problem, which ends the analysis; one in place of an answer only
            leaves out that frame.
        gallery: is given each picture as soon as its shot is over.
        progress: is told at most four times a second.

    Raises:
        Problem: the file is no video, is broken from the start, or no frame could be judged.
    """
    begun = time.perf_counter()
    reader, meter = Reader(medium, options), Meter(progress)
    analysis = _Analysis(detect, options, gallery, reader)
    batches = pipelined(
        reader.batches(), analysis.ask, options.in_flight, reader.stop, lambda batch: batch.large
    )
    async with aclosing(batches):
        async for batch, answers in batches:
            await analysis.take(batch, answers)
            meter.tell(len(batch.samples), batch.read_s, reader.video.duration_s)
            del batch  # its pixels need not wait for the next
    await analysis.end()
    reader.seconds["total"] = time.perf_counter() - begun
    return analysis.tally.verdict(reader, options)


class _Analysis:
    """What happens to the batches, in order, once they are read."""

    def __init__(
        self, detect: Detect, options: VideoOptions, gallery: Keep, reader: Reader
    ) -> None:
        self._detect, self._options, self._gallery = detect, options, gallery
        self._reader = reader
        self._collector = Collector(options.shortest_shot_s, options.per_shot)
        self.tally = VideoAccumulator()

    async def ask(self, batch: Batch) -> list[Answer]:
        """Calls overlap: their times may add up to more than has passed."""
        begun = time.perf_counter()
        samples = batch.samples
        answers = await self._detect([sample.pixels for sample in samples]) if samples else []
        self._reader.seconds["detect"] += time.perf_counter() - begun
        return answers

    async def take(self, batch: Batch, answers: Sequence[Answer]) -> None:
        assert self._reader.size is not None or not answers
        width = self._reader.size[0] if self._reader.size else 0
        found = await asyncio.to_thread(judged, batch.samples, answers, width, self._options)
        self.tally.answered(answers)
        frames = iter(found)
        for event in batch.events:
            if isinstance(event, Cut):
                await self._conclude(self._collector.cut(event.t_s))
            elif (frame := next(frames)) is not None:
                await self._conclude(self._collector.add(frame))

    async def end(self) -> None:
        await self._conclude(self._collector.end(self._reader.video.end_s))

    async def _conclude(self, takes: Sequence[ShotFrames]) -> None:
        begun = time.perf_counter()
        for take in takes:
            if not take.seen:
                self.tally.unseen += 1
                continue
            number = len(self.tally.shots) + 1
            done = await asyncio.to_thread(build_shot, number, take, self._options.thresholds)
            for name, picture in done.pictures.items():
                await self._gallery(name, picture)
            self.tally.concluded(done)
        self._reader.seconds["gallery"] += time.perf_counter() - begun
