"""Coded pictures → files of about one length that begin with keyframes; nothing is decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.sources.codecs import Codec
from deepfake_serving.gateway.sources.rtp import CLOCK, AccessUnit
from deepfake_serving.gateway.sources.segment import MOST_BYTES, Segment
from deepfake_serving.gateway.sources.segmenter import new_file
from deepfake_serving.gateway.storage.spool import write_problem

_LONGEST_S = 60.0
"""At which a piece ends though no keyframe comes."""
_JUMP_S = 10.0
"""Of the source's clock, either way: a new beginning."""
_DELAY = CLOCK
"""Between the decoding and the showing of a picture, at most: RTP tells only the latter."""
_PATIENCE_S = 60.0
"""For a keyframe."""
_USUAL_S = 0.04
"""Of a single picture."""


class Recording:
    """Writes MPEG-TS, which needs no more than what RTP tells."""

    def __init__(self, codec: Codec, folder: Path, window_s: float) -> None:
        self._codec, self._folder, self._window_s = codec, folder, window_s
        self._open: _Open | None = None
        self._waited: int | None = None
        self._gap: str | None = None

    def add(self, coded: AccessUnit) -> Segment | None:
        """The piece that is whole by this picture, if one is.

        Raises:
            UndecodableMedia: no keyframe comes.
            StorageFull: there is no room for it here.
        """
        try:
            return self._add(coded)
        except OSError as error:
            raise write_problem(error) from error

    def _add(self, coded: AccessUnit) -> Segment | None:
        done = None
        if self._open is not None and self._open.ends_before(coded, self._window_s):
            gap = self._open.gap_before(coded)
            done, self._gap = self.end(coded), gap
        if self._open is None and coded.keyframe:
            self._open = _Open(new_file(self._folder), self._codec, coded.ticks)
        if self._open is not None:
            self._open.add(coded)
            self._waited = None
        else:
            self._wait(coded)
        return done

    def end(self, following: AccessUnit | None = None) -> Segment | None:
        """The piece that was begun, if one was."""
        opened, self._open = self._open, None
        return None if opened is None else opened.close(following, self._gap)

    def _wait(self, coded: AccessUnit) -> None:
        self._waited = coded.ticks if self._waited is None else self._waited
        if abs(coded.ticks - self._waited) > _PATIENCE_S * CLOCK:
            raise UndecodableMedia("the source sends no keyframe")


class _Open:
    """A file that is written."""

    def __init__(self, path: Path, codec: Codec, ticks: int) -> None:
        self._path, self._begin = path, ticks
        self._last = self._latest = ticks
        self._decoded = -1
        self._bytes = self._pictures = 0
        self._container: OutputContainer = av.open(str(path), "w", format="mpegts")
        self._stream: Stream = self._container.add_mux_stream(codec.name, rate=25)

    def ends_before(self, coded: AccessUnit, window_s: float) -> bool:
        if self._jumps(coded):
            return True
        seconds = (coded.ticks - self._begin) / CLOCK
        if coded.keyframe and seconds >= window_s:
            return True
        return seconds >= max(_LONGEST_S, window_s) or self._bytes >= MOST_BYTES

    def gap_before(self, coded: AccessUnit) -> str | None:
        """What is missing where the next piece begins."""
        if self._jumps(coded):
            return "the source's clock jumped"
        return None if coded.keyframe else "the source sent no keyframe for long"

    def add(self, coded: AccessUnit) -> None:
        packet = av.Packet(coded.data)
        packet.stream, packet.time_base = self._stream, Fraction(1, CLOCK)
        shown = coded.ticks - self._begin
        self._decoded = max(self._decoded + 1, shown)
        packet.pts, packet.dts = shown + _DELAY, self._decoded
        packet.is_keyframe = coded.keyframe
        self._last, self._latest = coded.ticks, max(self._latest, coded.ticks)
        self._bytes += len(coded.data)
        if self._decoded <= shown + _DELAY:  # else it is of no use to anybody
            self._container.mux(packet)
            self._pictures += 1

    def close(self, following: AccessUnit | None, gap: str | None) -> Segment:
        """`following` is the picture after the last one."""
        self._container.close()
        seconds = (self._latest - self._begin) / CLOCK
        step_s = seconds / max(1, self._pictures - 1) or _USUAL_S
        if following is not None and not self._jumps(following):
            step_s = max(0.0, (following.ticks - self._latest) / CLOCK)
        return Segment(self._path, seconds + step_s, gap)

    def _jumps(self, coded: AccessUnit) -> bool:
        return abs(coded.ticks - self._last) > _JUMP_S * CLOCK
