"""RTP packets (RFC 3550) → coded pictures, for H.264 and H.265."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.sources.sdp import Track

CLOCK = 90_000
"""Ticks a second of both codecs."""
_MOST_PICTURE = 16 * 2**20
_START = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture: NAL units with start codes (H.264, annex B), and when it is shown."""

    ticks: int
    data: bytes
    keyframe: bool


class Pictures:
    """Puts pictures together from packets, in the order that they are sent in.

    What is lost of a picture is left out of it: decoders know how to go on.
    """

    def __init__(self, track: Track) -> None:
        self._track, self._codec = track, track.codec
        self._units: list[bytes] = []
        self._size = 0
        self._fragment: bytearray | None = None
        self._sequence: int | None = None
        self._ticks: int | None = None

    def add(self, packet: bytes) -> Iterator[AccessUnit]:
        """The pictures that are whole by this packet.

        Raises:
            UndecodableMedia: a picture without end.
        """
        parsed = _parsed(packet)
        if parsed is None or parsed.payload_type != self._track.payload_type:
            return
        if self._sequence is not None and parsed.sequence != (self._sequence + 1) & 0xFFFF:
            self._fragment = None
        self._sequence = parsed.sequence
        ticks = _unwrapped(parsed.ticks, self._ticks)
        if self._units and ticks != self._ticks:
            yield self._whole()
        self._ticks = ticks
        self._take(parsed.payload)
        if parsed.marker and self._units:
            yield self._whole()

    def _take(self, payload: bytes) -> None:
        codec = self._codec
        if len(payload) <= codec.header:
            return
        kind = codec.kind(payload)
        if kind == codec.aggregate:
            for unit in _aggregated(payload[codec.header :]):
                self._add(unit)
        elif kind == codec.fragment:
            self._piece(payload)
        elif kind < codec.single_below:
            self._add(payload)

    def _piece(self, payload: bytes) -> None:
        """The first one's header says what the unit is."""
        codec, flags = self._codec, payload[self._codec.header]
        if flags & 0x80:
            self._fragment = bytearray(codec.rebuilt(payload))
        if self._fragment is None:
            return
        self._fragment += payload[codec.header + 1 :]
        self._bound(len(self._fragment))
        if flags & 0x40:
            unit, self._fragment = bytes(self._fragment), None
            self._add(unit)

    def _add(self, unit: bytes) -> None:
        if len(unit) > self._codec.header:
            self._units.append(unit)
            self._size += len(unit)
            self._bound(self._size)

    def _bound(self, size: int) -> None:
        if size > _MOST_PICTURE:
            raise UndecodableMedia("the source sends a picture without end")

    def _whole(self) -> AccessUnit:
        """Keyframes get the session's parameter sets, where they come without."""
        units, self._units, self._size, self._fragment = self._units, [], 0, None
        kinds = {self._codec.kind(unit) for unit in units}
        keyframe = bool(kinds & self._codec.keyframes)
        if keyframe and not kinds & self._codec.sets:
            units = [*self._track.sets, *units]
        assert self._ticks is not None
        return AccessUnit(self._ticks, b"".join(_START + unit for unit in units), keyframe)


@dataclass(frozen=True, slots=True)
class _Packet:
    payload_type: int
    marker: bool
    sequence: int
    ticks: int
    payload: bytes


def _parsed(packet: bytes) -> _Packet | None:
    """Without what may stand around the payload; None for what is no RTP packet."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        return None
    first, second, sequence, ticks = struct.unpack_from(">BBHI", packet)
    begin, end = 12 + 4 * (first & 0x0F), len(packet)
    if first & 0x10:
        if end < begin + 4:
            return None
        begin += 4 + 4 * int(struct.unpack_from(">H", packet, begin + 2)[0])
    if first & 0x20:
        end -= packet[-1]
    if begin >= end:
        return None
    return _Packet(second & 0x7F, bool(second & 0x80), sequence, ticks, packet[begin:end])


def _unwrapped(ticks: int, last: int | None) -> int:
    """The clock of 32 bits goes round every thirteen hours."""
    if last is None:
        return ticks
    return last + (ticks - last + 2**31) % 2**32 - 2**31


def _aggregated(payload: bytes) -> Iterator[bytes]:
    while len(payload) > 2:
        size = int.from_bytes(payload[:2])
        yield payload[2 : 2 + size]
        payload = payload[2 + size :]
