"""Records access units, undecoded, to files of about one duration that start with keyframes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.sources.codecs import Codec
from deepfake_serving.gateway.sources.rtp import CLOCK_RATE, AccessUnit
from deepfake_serving.gateway.sources.segment import MAX_SEGMENT_BYTES, Segment
from deepfake_serving.gateway.sources.segmenter import new_file
from deepfake_serving.gateway.storage.spool import write_problem

_MAX_DURATION_S = 60.0
"""Duration at which a segment ends without a keyframe."""
_MAX_STEP_S = 10.0
"""A larger step of the source's clock, in either direction, starts a new segment."""
_DELAY = CLOCK_RATE
"""The most ticks between decoding and presentation of a frame. RTP carries only the latter."""
_KEYFRAME_TIMEOUT_S = 60.0
_DEFAULT_FRAME_S = 0.04
"""Duration of a single frame."""


class Recorder:
    """Writes MPEG-TS, which needs no more than RTP carries."""

    def __init__(self, codec: Codec, folder: Path, window_s: float) -> None:
        self._codec, self._folder, self._window_s = codec, folder, window_s
        self._file: _File | None = None
        self._waiting_since: int | None = None
        self._gap: str | None = None

    def add(self, unit: AccessUnit) -> Segment | None:
        """Adds an access unit, and returns the segment that it completes, if any.

        Raises:
            UndecodableMedia: the source sends no keyframe.
            StorageFull: the disk is full.
        """
        try:
            return self._add(unit)
        except OSError as error:
            raise write_problem(error) from error

    def _add(self, unit: AccessUnit) -> Segment | None:
        done = None
        if self._file is not None and self._file.ends_before(unit, self._window_s):
            gap = self._file.gap_before(unit)
            done, self._gap = self.end(unit), gap
        if self._file is None and unit.keyframe:
            self._file = _File(new_file(self._folder), self._codec, unit.ticks)
        if self._file is not None:
            self._file.add(unit)
            self._waiting_since = None
        else:
            self._wait_for_keyframe(unit)
        return done

    def end(self, following: AccessUnit | None = None) -> Segment | None:
        """Ends the open segment and returns it, if there is one."""
        file, self._file = self._file, None
        return None if file is None else file.close(following, self._gap)

    def _wait_for_keyframe(self, unit: AccessUnit) -> None:
        self._waiting_since = unit.ticks if self._waiting_since is None else self._waiting_since
        if abs(unit.ticks - self._waiting_since) > _KEYFRAME_TIMEOUT_S * CLOCK_RATE:
            raise UndecodableMedia("the source sends no keyframe")


class _File:
    """An open segment."""

    def __init__(self, path: Path, codec: Codec, ticks: int) -> None:
        self._path, self._start = path, ticks
        self._last = self._latest = ticks
        self._decode_ticks = -1
        self._bytes = self._frames = 0
        self._container: OutputContainer = av.open(str(path), "w", format="mpegts")
        self._stream: Stream = self._container.add_mux_stream(codec.name, rate=25)

    def ends_before(self, unit: AccessUnit, window_s: float) -> bool:
        """Returns whether the access unit starts a new segment."""
        if self._jumps(unit):
            return True
        seconds = (unit.ticks - self._start) / CLOCK_RATE
        if unit.keyframe and seconds >= window_s:
            return True
        return seconds >= max(_MAX_DURATION_S, window_s) or self._bytes >= MAX_SEGMENT_BYTES

    def gap_before(self, unit: AccessUnit) -> str | None:
        """Returns what is missing before the access unit, if anything."""
        if self._jumps(unit):
            return "the source's clock jumped"
        return None if unit.keyframe else "the source sent no keyframe for too long"

    def add(self, unit: AccessUnit) -> None:
        """Writes an access unit."""
        packet = av.Packet(unit.data)
        packet.stream, packet.time_base = self._stream, Fraction(1, CLOCK_RATE)
        presented = unit.ticks - self._start
        self._decode_ticks = max(self._decode_ticks + 1, presented)
        packet.pts, packet.dts = presented + _DELAY, self._decode_ticks
        packet.is_keyframe = unit.keyframe
        self._last, self._latest = unit.ticks, max(self._latest, unit.ticks)
        self._bytes += len(unit.data)
        if self._decode_ticks <= presented + _DELAY:  # otherwise it is too late to be shown
            self._container.mux(packet)
            self._frames += 1

    def close(self, following: AccessUnit | None, gap: str | None) -> Segment:
        """Closes the file; `following` is the access unit after the last one."""
        self._container.close()
        seconds = (self._latest - self._start) / CLOCK_RATE
        step_s = seconds / max(1, self._frames - 1) or _DEFAULT_FRAME_S
        if following is not None and not self._jumps(following):
            step_s = max(0.0, (following.ticks - self._latest) / CLOCK_RATE)
        return Segment(self._path, seconds + step_s, gap)

    def _jumps(self, unit: AccessUnit) -> bool:
        return abs(unit.ticks - self._last) > _MAX_STEP_S * CLOCK_RATE
