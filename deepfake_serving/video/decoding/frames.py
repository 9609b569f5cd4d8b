"""The frames of a video in presentation order, decoded in one pass, as far as the file allows.

Every frame is decoded. FFmpeg can skip frames that no other frame references (`skip_frame`), but
which frames those are is up to the encoder, so the sampling grid and the scene cuts would depend
on it.
"""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.video.decoding.clock import Clock
from deepfake_serving.video.decoding.container import Cancelled, open_video
from deepfake_serving.video.decoding.decoder import THREADS, open_decoder
from deepfake_serving.video.decoding.duration import (
    DEFAULT_FRAME_RATE,
    declared_end_s,
    declared_frame_rate,
    may_jump,
    start_s,
)
from deepfake_serving.video.decoding.interlacing import unflagged_field_order
from deepfake_serving.video.decoding.limits import DecodeLimits
from deepfake_serving.video.decoding.seeking import LeadingFrames, is_seekable, seek
from deepfake_serving.video.memory.estimate import check_memory
from deepfake_serving.video.memory.shortage import check_shortage
from deepfake_serving.video.presentation.combing import FieldOrder
from deepfake_serving.video.presentation.filter_graph import ShownFrame
from deepfake_serving.video.presentation.geometry import Orientation, PixelAspect
from deepfake_serving.video.presentation.shown_frames import Presentation

_TOLERANCE_S, _TOLERANCE = 1.0, 0.02
"""Error of a declared duration that is no sign of a truncated file: in seconds, and as a share."""

_MIN_MISSING_S = 0.5
"""Seconds without a frame at the start to warn about, as of a stream that was joined midway."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame with its index and its presentation time.

    A player stretches its pixels to `aspect`, the width of one through its height, and then sets
    it upright.
    """

    index: int
    t_s: float
    end_s: float
    image: VideoFrame
    aspect: Fraction
    orientation: Orientation

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright frame with square pixels: none of them is lost."""
        width, height = self.image.width, self.image.height
        if self.aspect == 1:
            pass
        elif self.aspect > 1:
            width = round(width * self.aspect)
        else:
            height = round(height / self.aspect)
        return self.orientation.size(width, height)


class VideoDecoder:
    """Iterates over the frames of one file. Its attributes fill up while the file is read."""

    def __init__(
        self,
        path: Path,
        limits: DecodeLimits,
        stop: threading.Event,
        begin_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Setting `stop`, from any thread, ends the iteration with `Cancelled`.

        Args:
            begin_s: Returns the time in seconds before which frames may be left out. It is called
                once `duration_s` and `steady` are known.
        """
        self._path, self._limits, self._stop = path, limits, stop
        self._begin_s = begin_s
        self.frame_rate: float | None = None
        """Frames per second, as declared."""
        self.duration_s: float | None = None
        """Declared end, in seconds of playback, up to the limit."""
        self.may_jump = False
        """Whether the declared duration may be wrong, since the container's clock may jump."""
        self._declared_s: float | None = None
        self._field_order: FieldOrder | None = None
        self.start_s, self.end_s = 0.0, 0.0
        """Start of the first frame, and end of the last so far."""
        self.decoded = 0
        self.broken = 0
        """Packets that could not be decoded, and damaged frames."""
        self.complete = True
        self.steady = True
        """Whether frames are the same after a seek, as far as was seen: with reliable times, of one
        kind and undamaged."""
        self.part_starts, self.thinned = [0.0], 0
        """Set by the reader: the starts of parts, and the number of shots that it thinned out."""
        self.warnings: list[str] = []

    def __iter__(self) -> Generator[Frame, None, None]:
        """Decodes the file.

        Raises:
            Problem: as `open_video` does.
            UndecodableMedia: decoding needs too much memory, or no frame can be decoded.
            MemoryError: memory ran out.
            Cancelled: `stop` was set.
        """
        self._field_order = unflagged_field_order(self._path, self._limits, self._stop)
        with open_video(self._path, self._limits.max_pixels, self._stop) as (container, stream):
            check_memory(stream, THREADS, self._limits.max_memory_bytes)
            self._describe(container, stream)
            begin_s = self._begin_s()
            yield from self._limited(container, stream, begin_s)
        if begin_s > 0:
            pass
        elif not self.decoded:
            check_shortage(self._limits.max_memory_bytes)
            raise UndecodableMedia("the video is broken: no frame can be decoded")
        self._check_complete()

    def truncate(self, what: str) -> None:
        """Records that a limit ended the analysis before the video did."""
        self.complete = False
        self.warnings.append(f"the video exceeds the limits of the analysis: {what}")

    def _describe(self, container: InputContainer, stream: VideoStream) -> None:
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        self.frame_rate = declared_frame_rate(stream)
        self.may_jump = may_jump(container)
        self._declared_s = declared_end_s(container, stream)
        if self._declared_s is not None:
            self.duration_s = min(self._declared_s, self._limits.max_duration_s)
        self.steady = is_seekable(container, stream) and self._field_order is None

    def _limited(
        self, container: InputContainer, stream: VideoStream, begin_s: float
    ) -> Iterator[Frame]:
        interval_s = 1 / (self.frame_rate or DEFAULT_FRAME_RATE)
        base = float(stream.time_base or 0)
        clock = Clock(interval_s, start_s(container), may_jump=self.may_jump)
        if begin_s > 0:
            self._start(clock, base)
            seek(container, stream, clock.timestamp_s(begin_s))
        for shown in self._shown(container, stream, sought=begin_s > 0):
            t_s = clock.tick(None if shown.pts is None else shown.pts * base)
            if self.decoded == 0 and begin_s <= 0:
                self.start_s = t_s
                self._check_start(shown.pts, stream)
            if clock.jumped:
                self._declared_s, self.steady = None, False
            if t_s > self._limits.max_duration_s:
                self.truncate(f"only the first {self._limits.max_duration_s:g} s were analysed")
                return
            if self.decoded >= self._limits.max_frames:
                self.truncate(f"only the first {self.decoded} frames were decoded")
                return
            self.end_s = t_s + (shown.duration * base or interval_s)
            yield Frame(self.decoded, t_s, self.end_s, shown.image, shown.aspect, shown.orientation)
            self.decoded += 1

    def _start(self, clock: Clock, base: float) -> None:
        """Starts the clock with the first frame of the file, before a seek to a later one."""
        with (
            open_video(self._path, self._limits.max_pixels, self._stop) as (container, stream),
            contextlib.closing(self._shown(container, stream)) as frames,
        ):
            first = next(frames, None)
            if first is not None:
                self.start_s = clock.tick(None if first.pts is None else first.pts * base)
                self._check_start(first.pts, stream)

    def _shown(
        self, container: InputContainer, stream: VideoStream, *, sought: bool = False
    ) -> Generator[ShownFrame, None, None]:
        presentation = Presentation(self._field_order)
        aspect = PixelAspect(stream)
        for image in self._images(container, stream, sought):
            self.steady &= not image.interlaced_frame
            yield from presentation.show(image, aspect.of(image))
        yield from presentation.flush()

    def _images(
        self, container: InputContainer, stream: VideoStream, sought: bool
    ) -> Iterator[VideoFrame]:
        decoder = open_decoder(stream, self.warnings)
        leading = LeadingFrames(sought)
        for packet in self._packets(container, stream):
            leading.add(packet)
            try:
                images = decoder.decode(packet)
            except av.FFmpegError as error:
                if error.errno == errno.ENOMEM:
                    raise
                if not leading:
                    self._count_broken()
                continue
            for image in images:
                if leading.holds(image):
                    continue
                if image.is_corrupt:
                    self._count_broken()
                else:
                    yield image

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream] | None]:
        """Yields packets, then None, which flushes the decoder."""
        try:
            for packet in container.demux(stream):
                if self._stop.is_set():
                    raise Cancelled
                if packet.size:
                    yield packet
        except av.FFmpegError as error:
            if error.errno == errno.ENOMEM:
                raise
            self._count_broken()
        yield None

    def _count_broken(self) -> None:
        """Counts a part that cannot be decoded, unless memory is short, which is no damage."""
        check_shortage(self._limits.max_memory_bytes)
        self.broken += 1
        self.steady = False

    def _check_start(self, pts: int | None, stream: VideoStream) -> None:
        if pts is None or stream.start_time is None or stream.time_base is None:
            return
        missing_s = float((pts - stream.start_time) * stream.time_base)
        if _MIN_MISSING_S < missing_s < self._limits.max_duration_s:
            self.warnings.append(f"the first {missing_s:.1f} s of the video cannot be decoded")

    def _check_complete(self) -> None:
        """Compares what was read with the declared duration, if there is one."""
        if self.broken:
            self.complete = False
            self.warnings.append(f"the video is damaged: {self.broken} parts could not be decoded")
        declared_s = self._declared_s or 0.0
        if self.complete and declared_s - self.end_s > _TOLERANCE_S + _TOLERANCE * declared_s:
            self.complete = False
            self.warnings.append(
                f"the video breaks off after {self.end_s:.1f} of {declared_s:.1f} s"
            )
