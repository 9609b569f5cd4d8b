"""The reader of one video: it decodes, finds scene cuts, samples and converts, in one thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deepfake_serving.video.decoding.duration import measure_end_s
from deepfake_serving.video.decoding.frames import Frame, VideoDecoder
from deepfake_serving.video.decoding.pixels import MAX_BATCH_BYTES, FrameConverter, Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampler
from deepfake_serving.video.scene_cuts import SceneCut, SceneCutDetector

_MAX_BATCH_FRAMES = 8
_MAX_BATCH_S = 10.0
"""Presentation time that a batch covers, at most, so that progress is visible where sampling is
sparse. Not the time that it takes to read: faces are followed within a batch, so the result would
depend on the speed of the machine."""
_MAX_EMPTY_BATCH_AGE_S = 1.0
"""Age at which a batch without a sample leaves."""

_MAX_SIZE_WARNINGS = 3


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

    def __init__(self, path: Path, options: VideoOptions) -> None:
        self._path, self._options = path, options
        self._stop = threading.Event()
        self.video = VideoDecoder(path, options.decode_limits, self._stop)
        self.size: tuple[int, int] | None = None
        """Width and height of the first frame, upright."""
        self.seconds: dict[str, float] = defaultdict(float)
        """Time spent by stage."""
        self._sampled = 0
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
                if isinstance(event, Sample) and batch.is_full(event.pixels):
                    yield batch
                    batch = Batch()
                if event is not None:
                    batch.events.append(event)
                batch.read_s = self.video.end_s
                full = isinstance(event, Sample) and batch.is_full(event.pixels)
                event = None  # only the batch keeps the pixels alive
                if full or batch.is_overdue:
                    yield batch
                    batch = Batch()
        yield batch

    def _events(self, frames: Iterator[Frame]) -> Iterator[Sample | SceneCut | None]:
        """Yields None for a frame that is neither sampled nor reveals a cut."""
        converter = FrameConverter()
        cut_detector = SceneCutDetector()
        sampler: Sampler | None = None
        while (frame := self._decode(frames)) is not None:
            if sampler is None:
                sampler = self._new_sampler()
            with self._timed("shots"):
                thumbnail = converter.thumbnail(frame)
                cut = cut_detector.feed(thumbnail, frame.index, frame.t_s)
            if cut is not None:
                sampler.start_shot()
                yield cut
            if not sampler.select(frame.index, frame.t_s):
                yield None
                continue
            if self._sampled >= self._options.max_frames:
                self.video.truncate(f"only {self._sampled} frames were analysed")
                return
            self._sampled += 1
            yield self._sample(frame, thumbnail, converter)
        if sampler is not None:
            self._warn_of_thinning(sampler.thinned)

    def _decode(self, frames: Iterator[Frame]) -> Frame | None:
        with self._timed("decode"):
            return next(frames, None)

    def _sample(self, frame: Frame, thumbnail: Pixels, converter: FrameConverter) -> Sample:
        with self._timed("convert"):
            pixels = converter.full_size(frame)
        size = frame.size
        if self.size is None:
            self.size = self._latest_size = size
        elif size != self._latest_size:
            self._warn_of_size(size, frame.t_s)
        return Sample(frame.index, frame.t_s, size[0], pixels, thumbnail)

    def _warn_of_size(self, size: tuple[int, int], t_s: float) -> None:
        self._latest_size = size
        self._sizes += 1
        if self._sizes <= _MAX_SIZE_WARNINGS:
            self.video.warnings.append(
                f"the frame size changes to {size[0]} x {size[1]} at {t_s:.1f} s: boxes are in "
                "pixels of their own frame"
            )

    def _warn_of_thinning(self, shots: int) -> None:
        if shots and self._options.sampling.policy != "per_shot":
            self.video.warnings.append(
                f"{shots} shots have more than {self._options.per_shot} sampled frames: an even "
                "selection of them counts"
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
