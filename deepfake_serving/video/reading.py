"""The thread's part of the analysis: frames are decoded, cut into shots, sampled and converted."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deepfake_serving.video.decoding.duration import measured_s
from deepfake_serving.video.decoding.frames import Frame, Frames
from deepfake_serving.video.decoding.pixels import MOST_BYTES, Converter, Pixels
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.sampling import Sampler
from deepfake_serving.video.shots import Cuts

_MOST_FRAMES = 8
_MOST_S = 1.0
"""A batch leaves when it is full or that old, so that progress is seen where few are sampled."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame to be judged. `pixels` are RGB, `small` BGR."""

    t_s: float
    pixels: Pixels
    small: Pixels


@dataclass(frozen=True, slots=True)
class Cut:
    """A shot has begun at `t_s`: samples from then on belong to it, also those already given."""

    t_s: float


@dataclass(slots=True)
class Batch:
    """What goes to the detector together: samples of one size, and the cuts among them."""

    events: list[Sample | Cut] = field(default_factory=list)
    read_s: float = 0.0
    """How far the video has been read."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def samples(self) -> list[Sample]:
        return [event for event in self.events if isinstance(event, Sample)]

    @property
    def large(self) -> bool:
        """Whether several of them are too much for the memory: of 4K each holds one frame."""
        return any(2 * sample.pixels.nbytes > MOST_BYTES for sample in self.samples)

    def full(self, pixels: Pixels) -> bool:
        """Whether one more such frame is too much."""
        samples = self.samples
        return bool(samples) and (
            pixels.shape != samples[0].pixels.shape
            or len(samples) >= min(_MOST_FRAMES, MOST_BYTES // pixels.nbytes)
        )


class Reader:
    """Reads one video, once. `video` tells what is known of it so far."""

    def __init__(self, path: Path, options: VideoOptions) -> None:
        self._path, self._options = path, options
        self._stop = threading.Event()
        self.video = Frames(path, options, self._stop)
        self.size: tuple[int, int] | None = None
        """Width and height of the first frame, upright."""
        self.seconds: dict[str, float] = defaultdict(float)
        self._sampled = 0

    def stop(self) -> None:
        """Ends `batches` with `Cancelled` at its next packet or read; from any thread."""
        self._stop.set()

    def batches(self) -> Generator[Batch, None, None]:
        """
        Raises:
            Problem: the file can't be read, as `Frames` says.
        """
        batch = Batch()
        with contextlib.closing(iter(self.video)) as frames:
            for event in self._events(frames):
                if isinstance(event, Sample) and batch.full(event.pixels):
                    yield batch
                    batch = Batch()
                if event is not None:
                    batch.events.append(event)
                batch.read_s = self.video.end_s
                filled = isinstance(event, Sample) and batch.full(event.pixels)
                event = None  # its pixels are the batch's alone
                if filled or time.monotonic() - batch.begun > _MOST_S:
                    yield batch
                    batch = Batch()
        yield batch

    def _events(self, frames: Iterator[Frame]) -> Iterator[Sample | Cut | None]:
        """None for a frame that is neither."""
        convert = Converter()
        cuts: Cuts | None = None
        sampler: Sampler | None = None
        while (frame := self._decode(frames)) is not None:
            if sampler is None:
                sampler, cuts = self._sampler(), self._cuts()
            with self._timed("shots"):
                small = convert.small(frame)
                cut_s = cuts.feed(small, frame.t_s) if cuts else None
            if cut_s is not None:
                sampler.restart()
                yield Cut(cut_s)
            if not sampler.take(frame.index, frame.t_s):
                yield None
                continue
            if self._sampled >= self._options.max_frames:
                self.video.cut_short(f"{self._sampled} frames were judged")
                return
            self._sampled += 1
            yield self._sample(frame, small, convert)

    def _decode(self, frames: Iterator[Frame]) -> Frame | None:
        with self._timed("decode"):
            return next(frames, None)

    def _sample(self, frame: Frame, small: Pixels, convert: Converter) -> Sample:
        with self._timed("convert"):
            pixels = convert.whole(frame)
        if self.size is None:
            sides = frame.picture.width, frame.picture.height
            self.size = sides if frame.turns % 2 == 0 else (sides[1], sides[0])
        return Sample(frame.t_s, pixels, small)

    def _sampler(self) -> Sampler:
        options, video = self._options, self.video
        if video.duration_s is None and options.sampling.policy == "uniform":
            with self._timed("decode"):
                seconds = measured_s(self._path, options.max_pixels, self._stop)
            video.duration_s = min(seconds, options.max_duration_s)
        return Sampler(options.sampling, video.duration_s, options.per_shot)

    def _cuts(self) -> Cuts | None:
        if not self._options.shots:
            return None
        return Cuts(self.video.rate, self._options.shortest_shot_s)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - begun
