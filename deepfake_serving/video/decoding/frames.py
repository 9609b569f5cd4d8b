"""The frames of a video in the order they are shown, as far as it can be read, in one pass.

Every frame is decoded: FFmpeg can leave out those that no other needs (`skip_frame`), but which
they are is up to the encoder, so that the grid and the cuts would hang on it.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.video.decoding.clock import Clock
from deepfake_serving.video.decoding.duration import USUAL_RATE, stated_rate, stated_s
from deepfake_serving.video.decoding.medium import Cancelled, open_medium
from deepfake_serving.video.options import VideoOptions

_THREADS = 2
"""Of a decoder: each holds frames, and the models want the cores too."""
_LATE_S, _LATE = 1.0, 0.02
"""By how much stated durations may be off, in seconds and as a share."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame, its place and its time; `turns` quarter turns left set it upright."""

    index: int
    t_s: float
    picture: VideoFrame
    turns: int


class Frames:
    """Iterates over the frames. What is known of the video fills up while it is read."""

    def __init__(self, path: Path, options: VideoOptions, stop: threading.Event) -> None:
        """Whoever sets `stop` ends the iteration at once, with `Cancelled`."""
        self._path, self._options, self._stop = path, options, stop
        self.rate: float | None = None
        """Frames a second, as stated."""
        self.duration_s: float | None = None
        """As stated, up to the bound."""
        self._stated_s: float | None = None
        self.end_s = 0.0
        """Of the last frame so far."""
        self.decoded = 0
        self.broken = 0
        """Parts that could not be decoded, and frames that were damaged."""
        self.complete = True
        self.warnings: list[str] = []

    def __iter__(self) -> Generator[Frame, None, None]:
        """
        Raises:
            Problem: as `open_medium` does, or UndecodableMedia where there is no whole frame.
            Cancelled
        """
        with open_medium(self._path, self._options.max_pixels, self._stop) as (container, stream):
            self._describe(container, stream)
            yield from self._bounded(container, stream)
        if not self.decoded:
            raise UndecodableMedia("the video is broken: not one frame can be decoded")
        self._judge_end()

    def _describe(self, container: InputContainer, stream: VideoStream) -> None:
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        stream.thread_type, stream.thread_count = "AUTO", _THREADS
        self.rate = stated_rate(stream)
        self._stated_s = stated_s(container, stream)
        if self._stated_s is not None:
            self.duration_s = min(self._stated_s, self._options.max_duration_s)

    def _bounded(self, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        interval_s = 1 / (self.rate or USUAL_RATE)
        clock, base = Clock(interval_s), float(stream.time_base or 0)
        for picture in self._pictures(container, stream):
            t_s = clock.tick(None if picture.pts is None else picture.pts * base)
            if t_s > self._options.max_duration_s:
                self.cut_short(f"the first {self._options.max_duration_s:g} s were analysed")
                return
            if self.decoded >= self._options.max_decoded:
                self.cut_short(f"the first {self.decoded} frames were read")
                return
            length_s = picture.duration * base
            self.end_s = t_s + (length_s or interval_s)
            yield Frame(self.decoded, t_s, picture, round(picture.rotation / 90) % 4)
            self.decoded += 1

    def cut_short(self, what: str) -> None:
        """Notes that a bound has ended the analysis."""
        self.complete = False
        self.warnings.append(f"the video is longer than what is analysed: only {what}")

    def _pictures(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        for packet in self._packets(container, stream):
            try:
                pictures = stream.decode(packet)
            except av.FFmpegError:
                self.broken += 1
                continue
            for picture in pictures:
                if picture.is_corrupt:
                    self.broken += 1
                else:
                    yield picture

    def _packets(
        self, container: InputContainer, stream: VideoStream
    ) -> Iterator[Packet[VideoStream] | None]:
        """Ends with None, which flushes the decoder."""
        try:
            for packet in container.demux(stream):
                if self._stop.is_set():
                    raise Cancelled
                if packet.size:
                    yield packet
        except av.FFmpegError:
            self.broken += 1
        yield None

    def _judge_end(self) -> None:
        """A file that ends early says so by what it has stated of its length, if at all."""
        if self.broken:
            self.complete = False
            self.warnings.append(f"the video is damaged: {self.broken} parts could not be read")
        stated_s = self._stated_s or 0.0
        if self.complete and stated_s - self.end_s > _LATE_S + _LATE * stated_s:
            self.complete = False
            self.warnings.append(f"the video breaks off after {self.end_s:.1f} of {stated_s:.1f} s")
