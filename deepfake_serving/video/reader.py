"""The reader of one video: it decodes, finds scene cuts, samples and converts, in one thread."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deepfake_serving.video.decoding.duration import DEFAULT_FRAME_RATE, measure_end_s
from deepfake_serving.video.decoding.frames import Frame, VideoDecoder
from deepfake_serving.video.decoding.pixels import MAX_BATCH_BYTES, FrameConverter, Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Boundaries, Part, part_starts
from deepfake_serving.video.sampling import Sampler
from deepfake_serving.video.scene_cuts import WARM_UP, WINDOW, SceneCut, SceneCutDetector

_MAX_BATCH_FRAMES = 8
_MAX_BATCH_S = 10.0
"""Presentation time that a batch covers, at most, so that progress is visible where sampling is
sparse. Not the time that it takes to read: faces are followed within a batch, so the result would
depend on the speed of the machine."""
_MAX_EMPTY_BATCH_AGE_S = 1.0
"""Age at which a batch without a sample leaves."""

_MAX_SIZE_WARNINGS = 3

GoesOn = Callable[[int], bool]
"""Decides, where a part ends, whether its reader goes on with the part of this number."""


def stops(_: int) -> bool:
    """Ends each part where the next one begins."""
    return False


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame to be scored. `pixels` are RGB, `thumbnail` is BGR."""

    index: int
    t_s: float
    width: int
    """Width of the frame as shown, of which `pixels` may be a smaller copy."""
    pixels: Pixels
    thumbnail: Pixels


@dataclass(slots=True)
class Batch:
    """One call to the detector: samples of one size, and the scene cuts among them."""

    events: list[Sample | SceneCut] = field(default_factory=list)
    read_s: float = 0.0
    """Presentation time up to which the video was read, in seconds."""
    created: float = field(default_factory=time.monotonic)

    @property
    def samples(self) -> list[Sample]:
        """The frames to be scored."""
        return [event for event in self.events if isinstance(event, Sample)]

    @property
    def large(self) -> bool:
        """Whether two such batches exceed the memory limit, as 4K frames do."""
        return any(2 * sample.pixels.nbytes > MAX_BATCH_BYTES for sample in self.samples)

    @property
    def is_overdue(self) -> bool:
        """Whether the batch leaves although it is not full."""
        first = next((event for event in self.events if isinstance(event, Sample)), None)
        if first is None:
            return time.monotonic() - self.created > _MAX_EMPTY_BATCH_AGE_S
        return self.read_s - first.t_s > _MAX_BATCH_S

    def is_full(self, pixels: Pixels) -> bool:
        """Returns whether the batch has no space for one more such frame."""
        samples = self.samples
        return bool(samples) and (
            pixels.shape != samples[0].pixels.shape
            or len(samples) >= min(_MAX_BATCH_FRAMES, MAX_BATCH_BYTES // pixels.nbytes)
        )


class VideoFacts(Protocol):
    """Properties of a video, as far as it was read."""

    frame_rate: float | None
    duration_s: float | None
    start_s: float
    end_s: float
    complete: bool
    steady: bool
    part_starts: list[float]
    thinned: int
    warnings: list[str]


class Reader(Protocol):
    """Reads one video, once: in this process, or in one of its own."""

    seconds: dict[str, float]
    """Time spent by stage."""

    @property
    def video(self) -> VideoFacts:
        """Properties of the video, as far as it was read."""
        ...

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the first frame, upright."""
        ...

    def stop(self) -> None:
        """Ends `batches` with `Cancelled`. Any thread may call it."""
        ...

    def batches(self) -> Generator[Batch, None, None]:
        """Reads the video.

        Raises:
            Problem: the file cannot be read.
        """
        ...


class VideoReader:
    """Reads one video, once. `video` holds what is known of it so far."""

    def __init__(
        self,
        path: Path,
        options: VideoOptions,
        part: Part | None = None,
        goes_on: GoesOn = stops,
    ) -> None:
        """Reads the whole video, or a part of it: up to the cut where the next begins, unless it
        goes on there."""
        self._path, self._options, self._part = path, options, part
        self._goes_on: GoesOn = (lambda _: True) if part is None else goes_on
        self._stop = threading.Event()
        self.video = VideoDecoder(path, options.decode_limits, self._stop, self._begin_s)
        self.size: tuple[int, int] | None = None
        """Width and height of the first frame, upright."""
        self.seconds: dict[str, float] = defaultdict(float)
        """Time spent by stage."""
        self._sampled = 0 if part is None else part.sampled
        self._boundaries = Boundaries([0.0], options.min_shot_s)
        self._read_s = 0.0
        self._latest_size: tuple[int, int] | None = None
        self._sizes = 0

    def stop(self) -> None:
        """Ends `batches` with `Cancelled` at the next packet or read. Any thread may call it."""
        self._stop.set()

    def batches(self) -> Generator[Batch, None, None]:
        """Reads the video.

        Raises:
            Problem: the file cannot be read, as `VideoDecoder` says.
        """
        batch = Batch()
        with contextlib.closing(iter(self.video)) as frames:
            for event in self._events(frames):
                full = isinstance(event, Sample) and batch.is_full(event.pixels)
                if full or (isinstance(event, SceneCut) and event.part is not None):
                    yield batch
                    batch = Batch()
                if event is not None:
                    batch.events.append(event)
                batch.read_s = self._read_s
                full = isinstance(event, Sample) and batch.is_full(event.pixels)
                event = None  # only the batch keeps the pixels alive
                if full or batch.is_overdue:
                    yield batch
                    batch = Batch()
        yield batch

    def _events(self, frames: Iterator[Frame]) -> Iterator[Sample | SceneCut | None]:
        """Yields None for a frame that is neither sampled nor follows a cut."""
        converter = FrameConverter()
        sampler: Sampler | None = None
        awaited = 0 if self._part is None else self._part.number
        for frame, cut in self._with_cuts(frames, converter):
            sampler = sampler or self._new_sampler()
            self._read_s = frame.end_s
            if cut is not None:
                sampler.start_shot()
                if cut.part is not None:
                    sampler.start_part(frame.index)
            selected = sampler.select(frame.index, frame.t_s)
            if awaited and (cut is None or cut.part != awaited):
                if self._boundaries.is_over(awaited, frame.t_s):
                    return
                yield None
                continue
            if awaited:
                awaited, sampler.thinned = 0, 0
            elif cut is not None and cut.part is not None and not self._goes_on(cut.part):
                yield cut
                return
            self.video.thinned = sampler.thinned
            yield cut
            if not selected:
                continue
            if self._sampled >= self._options.max_frames:
                self.video.end_s = frame.end_s
                self.video.truncate(f"only {self._sampled} frames were analysed")
                return
            self._sampled += 1
            yield self._sample(frame, converter)

    def _with_cuts(
        self, frames: Iterator[Frame], converter: FrameConverter
    ) -> Iterator[tuple[Frame, SceneCut | None]]:
        """Yields frames with the cut before them, once that is known."""
        cut_detector = SceneCutDetector()
        waiting: deque[tuple[Frame, Pixels]] = deque()
        while (frame := self._decode(frames)) is not None:
            with self._timed("shots"):
                small = converter.small(frame)
                is_cut = cut_detector.feed(small)
            waiting.append((frame, small))
            if len(waiting) > WINDOW:
                earlier, small = waiting.popleft()
                yield earlier, self._scene_cut(earlier, small, is_cut)
        for frame, _ in waiting:
            yield frame, None

    def _scene_cut(self, frame: Frame, small: Pixels, is_cut: bool) -> SceneCut | None:
        if frame.index == (WARM_UP if self._part is not None and self._part.number else 0):
            self._boundaries.begin(frame.t_s)
        if not is_cut:
            return None
        part = self._boundaries.part_of(frame.t_s)
        return SceneCut(frame.t_s, part, 0 if part is None else zlib.crc32(small.tobytes()))

    def _begin_s(self) -> float:
        """Finds the starts of the parts; returns when decoding begins, before that of its part.

        By then all cuts that may matter are found.
        """
        video, options = self.video, self._options
        frames = (video.duration_s or 0.0) * (video.frame_rate or DEFAULT_FRAME_RATE)
        if video.steady and options.shots and frames < options.max_decoded:
            video.part_starts = part_starts(video.duration_s, options.part_s)
        self._boundaries = Boundaries(video.part_starts, options.min_shot_s)
        if self._part is None or self._part.number == 0:
            return 0.0
        warm_up = WARM_UP + 2 * WINDOW
        before_s = options.min_shot_s + warm_up / (video.frame_rate or DEFAULT_FRAME_RATE)
        return video.part_starts[self._part.number] - before_s

    def _decode(self, frames: Iterator[Frame]) -> Frame | None:
        with self._timed("decode"):
            return next(frames, None)

    def _sample(self, frame: Frame, converter: FrameConverter) -> Sample:
        with self._timed("convert"):
            pixels, thumbnail = converter.full_size(frame), converter.thumbnail(frame)
        size = frame.size
        if self.size is None:
            self.size = self._latest_size = size
        elif size != self._latest_size:
            self._warn_of_size(size, frame.t_s)
        return Sample(frame.index, frame.t_s, size[0], pixels, thumbnail)

    def _warn_of_size(self, size: tuple[int, int], t_s: float) -> None:
        self._latest_size, self.video.steady = size, False
        self._sizes += 1
        if self._sizes <= _MAX_SIZE_WARNINGS:
            self.video.warnings.append(
                f"the frame size changes to {size[0]} x {size[1]} at {t_s:.1f} s: boxes are in "
                "pixels of their own frame"
            )

    def _new_sampler(self) -> Sampler:
        options, video = self._options, self.video
        known = video.duration_s is not None and not video.may_jump
        if options.sampling.policy == "uniform" and not known:
            with self._timed("decode"):
                seconds = measure_end_s(self._path, options.max_pixels, self._stop)
            video.duration_s = min(seconds, options.max_duration_s)
        return Sampler(options.sampling, video.duration_s, options.per_shot)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
