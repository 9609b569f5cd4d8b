"""Analyses a video: decodes it, scores its frames, groups them into shots, aggregates a verdict."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from deepfake_serving.contracts.jobs import Progress
from deepfake_serving.contracts.video import VideoVerdict
from deepfake_serving.video.accumulator import VideoAccumulator
from deepfake_serving.video.build_shot import build_shot
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery.heatmaps import FRAMES_PER_REQUEST
from deepfake_serving.video.isolation.messages import summarised
from deepfake_serving.video.isolation.process import DecodeProcess
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.parts.joining import Joining, Joins, alone
from deepfake_serving.video.parts.result import PartResult
from deepfake_serving.video.people.embedder import FaceEmbedder
from deepfake_serving.video.pipelined import pipelined
from deepfake_serving.video.progress import ProgressReporter
from deepfake_serving.video.reader import Batch, Reader, VideoReader
from deepfake_serving.video.scene_cuts import SceneCut
from deepfake_serving.video.scored_frames import DetectionResult, scored_frames
from deepfake_serving.video.shot_collector import ShotCollector, ShotFrames

Detect = Callable[[list[Pixels]], Awaitable[list[DetectionResult]]]
"""Scores frames of one size, uint8 (h, w, 3) RGB, of at most `pixels.MAX_BATCH_BYTES` in all."""
SaveImage = Callable[[str, bytes], Awaitable[None]]
"""Stores a JPEG under a name."""


async def analyse(
    path: Path,
    detect: Detect,
    options: VideoOptions,
    save_image: SaveImage,
    on_progress: Callable[[Progress], None],
    embedder: FaceEmbedder | None = None,
) -> VideoVerdict:
    """Analyses one file. Cancelling it stops all of its tasks and closes the file.

    Args:
        detect: Scores frames. A Problem in a result leaves that frame out. A raised Problem ends
            the analysis.
        save_image: Receives each gallery image as soon as its shot is finished.
        on_progress: Called at most four times a second.
        embedder: Embeds faces to find the same people; None: tracks have no person.

    Raises:
        Problem: the file is no video, is broken from the start, or no frame could be scored.
    """
    result = await analyse_part(path, detect, options, save_image, on_progress, embedder)
    return await asyncio.to_thread(result.verdict, options)


async def analyse_part(
    path: Path,
    detect: Detect,
    options: VideoOptions,
    save_image: SaveImage,
    on_progress: Callable[[Progress], None],
    embedder: FaceEmbedder | None = None,
    part: Part | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    joins: Joins = alone,
) -> PartResult:
    """Analyses a part of a file, or the whole, as `analyse` does. Shots are counted from 1.

    Args:
        on_start: Called with the number of parts of the video, once it is known.
        joins: Called where a part ends; the parts that it joins cost no start and no seek.
    """
    start = time.perf_counter()
    joining = Joining(joins)
    reader: Reader = (DecodeProcess if options.isolated else VideoReader)(
        path, options, part, joining.joined
    )

    def stop() -> None:
        joining.stop()
        reader.stop()

    progress = ProgressReporter(on_progress)
    analysis = _Analysis(detect, options, save_image, reader, embedder, part, joining.parts)
    batches = pipelined(
        reader.batches(),
        analysis.detect,
        options.max_in_flight,
        stop,
        lambda batch: batch.large,
    )
    async with aclosing(batches):
        async for batch, results in batches:
            if not analysis.started:
                on_start(len(reader.video.part_starts))
            await analysis.add(batch, results)
            progress.update(len(batch.samples), *_position(batch, reader, part, joining.parts))
            del batch  # frees its pixels before the next batch arrives
    await analysis.end()
    reader.seconds["total"] = time.perf_counter() - start
    return analysis.result()


def _position(
    batch: Batch, reader: Reader, part: Part | None, joined: Sequence[int]
) -> tuple[float, float | None]:
    """Returns the seconds that were read, and those to read."""
    video = reader.video
    if part is None:
        return batch.read_s, video.duration_s
    times, last = [*video.part_starts, video.duration_s or 0.0], [part.number, *joined][-1]
    return max(0.0, batch.read_s - times[part.number]), times[last + 1] - times[part.number]


class _Analysis:
    """Processes batches, in order, after they were read."""

    def __init__(
        self,
        detect: Detect,
        options: VideoOptions,
        save_image: SaveImage,
        reader: Reader,
        embedder: FaceEmbedder | None,
        part: Part | None,
        joined: Sequence[int],
    ) -> None:
        self._detect, self._options, self._save_image = detect, options, save_image
        self._reader, self._embedder = reader, embedder
        self._collector: ShotCollector | None = None
        self._part, self._joined, self.started = part, joined, False
        self._first_cut: SceneCut | None = None
        self._end_cut: SceneCut | None = None
        self.accumulator = VideoAccumulator(embedder.model.similarity if embedder else None)

    async def detect(self, batch: Batch) -> list[DetectionResult]:
        """Scores a batch. Calls overlap, so their times may add up to more than has passed."""
        start = time.perf_counter()
        frames = [sample.pixels for sample in batch.samples]
        step = FRAMES_PER_REQUEST if self._options.explain else max(len(frames), 1)
        results: list[DetectionResult] = []
        for begin in range(0, len(frames), step):
            results += await self._detect(frames[begin : begin + step])
        self._reader.seconds["detect"] += time.perf_counter() - start
        return results

    async def add(self, batch: Batch, results: Sequence[DetectionResult]) -> None:
        """Adds a scored batch."""
        self.started = True
        scored = await asyncio.to_thread(scored_frames, batch.samples, results, self._options)
        self.accumulator.add_results(results)
        frames = iter(scored)
        for event in batch.events:
            if isinstance(event, SceneCut):
                await self._cut(event)
            elif (frame := next(frames)) is not None:
                self.accumulator.crowded_frames += frame.left_out > 0
                await self._finish(self._shots().add(frame))

    async def end(self) -> None:
        """Finishes the last shots."""
        if self._begins_at_start or self._first_cut is not None:
            cut, end_s = self._end_cut, self._reader.video.end_s
            await self._finish(self._shots().end(end_s if cut is None else cut.t_s))

    def result(self) -> PartResult:
        """Returns the result, after the end."""
        reader = self._reader
        return PartResult(
            self._part or Part(0),
            self._first_cut,
            self._end_cut,
            summarised(reader.video),
            reader.size,
            reader.seconds,
            self.accumulator,
        )

    @property
    def _begins_at_start(self) -> bool:
        return self._part is None or self._part.number == 0

    async def _cut(self, cut: SceneCut) -> None:
        """Adds a cut. At one that begins a part, the shots before it end."""
        if cut.part is None:
            await self._finish(self._shots().cut(cut))
        elif self._part is None or cut.part in self._joined:
            await self._finish(self._shots().end(cut.t_s))
            self._collector = self._new_collector(cut.t_s)
        elif cut.part == self._part.number:
            self._first_cut, self._collector = cut, self._new_collector(cut.t_s)
        else:
            self._end_cut = cut

    def _shots(self) -> ShotCollector:
        """Returns the collector, which starts with the first frame."""
        if self._collector is None:
            self._collector = self._new_collector(self._reader.video.start_s)
        return self._collector

    def _new_collector(self, start_s: float) -> ShotCollector:
        options = self._options
        min_shot_s = options.min_shot_s if options.shots else math.inf
        return ShotCollector(min_shot_s, options.per_shot, start_s)

    async def _finish(self, shots: Sequence[ShotFrames]) -> None:
        start = time.perf_counter()
        for shot in shots:
            if not shot.frames:
                self.accumulator.empty_shots += 1
                continue
            number = len(self.accumulator.shots) + 1
            result = await asyncio.to_thread(
                build_shot, number, shot, self._options.thresholds, self._embedder
            )
            for name, image in result.images.items():
                await self._save_image(name, image)
            self.accumulator.add_shot(result)
        self._reader.seconds["gallery"] += time.perf_counter() - start
