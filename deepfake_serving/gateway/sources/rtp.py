"""Depacketizes RTP (RFC 3550) into access units of H.264 and H.265."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.gateway.sources.sdp import VideoTrack

CLOCK_RATE = 90_000
"""Ticks per second, for both codecs."""
_MAX_UNIT_BYTES = 16 * 2**20
_START_CODE = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """An encoded frame: NAL units with start codes (H.264, annex B), and its timestamp in ticks."""

    ticks: int
    data: bytes
    keyframe: bool


class Depacketizer:
    """Assembles access units from packets, in the order of transmission.

    Lost NAL units are left out. Decoders conceal them.
    """

    def __init__(self, track: VideoTrack) -> None:
        self._track, self._codec = track, track.codec
        self._units: list[bytes] = []
        self._size = 0
        self._fragment: bytearray | None = None
        self._sequence: int | None = None
        self._ticks: int | None = None

    def add(self, packet: bytes) -> Iterator[AccessUnit]:
        """Adds a packet and yields the access units that it completes.

        Raises:
            UndecodableMedia: an access unit exceeds the size limit.
        """
        parsed = _parse(packet)
        if parsed is None or parsed.payload_type != self._track.payload_type:
            return
        if self._sequence is not None and parsed.sequence != (self._sequence + 1) & 0xFFFF:
            self._fragment = None
        self._sequence = parsed.sequence
        ticks = _unwrap(parsed.ticks, self._ticks)
        if self._units and ticks != self._ticks:
            yield self._complete()
        self._ticks = ticks
        self._add_payload(parsed.payload)
        if parsed.marker and self._units:
            yield self._complete()

    def _add_payload(self, payload: bytes) -> None:
        codec = self._codec
        if len(payload) <= codec.header:
            return
        unit_type = codec.unit_type(payload)
        if unit_type == codec.aggregate:
            for unit in _split_aggregate(payload[codec.header :]):
                self._add_unit(unit)
        elif unit_type == codec.fragment:
            self._add_fragment(payload)
        elif unit_type < codec.single_below:
            self._add_unit(payload)

    def _add_fragment(self, payload: bytes) -> None:
        """Adds a fragment. The header of the first one holds the type of the unit."""
        codec, flags = self._codec, payload[self._codec.header]
        if flags & 0x80:
            self._fragment = bytearray(codec.rebuild_header(payload))
        if self._fragment is None:
            return
        self._fragment += payload[codec.header + 1 :]
        self._check_size(len(self._fragment))
        if flags & 0x40:
            unit, self._fragment = bytes(self._fragment), None
            self._add_unit(unit)

    def _add_unit(self, unit: bytes) -> None:
        if len(unit) > self._codec.header:
            self._units.append(unit)
            self._size += len(unit)
            self._check_size(self._size)

    def _check_size(self, size: int) -> None:
        if size > _MAX_UNIT_BYTES:
            raise UndecodableMedia("the source sends a frame that exceeds the size limit")

    def _complete(self) -> AccessUnit:
        """Completes an access unit. Keyframes without parameter sets get those of the session."""
        units, self._units, self._size, self._fragment = self._units, [], 0, None
        types = {self._codec.unit_type(unit) for unit in units}
        keyframe = bool(types & self._codec.keyframes)
        if keyframe and not types & self._codec.parameter_sets:
            units = [*self._track.parameter_sets, *units]
        assert self._ticks is not None
        return AccessUnit(self._ticks, b"".join(_START_CODE + unit for unit in units), keyframe)


@dataclass(frozen=True, slots=True)
class _Packet:
    payload_type: int
    marker: bool
    sequence: int
    ticks: int
    payload: bytes


def _parse(packet: bytes) -> _Packet | None:
    """Strips header extensions, contributing sources and padding; None if it is no RTP packet."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        return None
    first, second, sequence, ticks = struct.unpack_from(">BBHI", packet)
    start, end = 12 + 4 * (first & 0x0F), len(packet)
    if first & 0x10:
        if end < start + 4:
            return None
        start += 4 + 4 * int(struct.unpack_from(">H", packet, start + 2)[0])
    if first & 0x20:
        end -= packet[-1]
    if start >= end:
        return None
    return _Packet(second & 0x7F, bool(second & 0x80), sequence, ticks, packet[start:end])


def _unwrap(ticks: int, last: int | None) -> int:
    """Unwraps a timestamp of 32 bits, which overflows every thirteen hours."""
    if last is None:
        return ticks
    return last + (ticks - last + 2**31) % 2**32 - 2**31


def _split_aggregate(payload: bytes) -> Iterator[bytes]:
    while len(payload) > 2:
        size = int.from_bytes(payload[:2])
        yield payload[2 : 2 + size]
        payload = payload[2 + size :]
