"""The RTP payload formats of H.264 and H.265: how NAL units are recognised.

RFC 6184 (H.264), section 5.2 and 5.8; RFC 7798 (H.265), section 1.1.4 and 4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec, by its name in FFmpeg.

    Attributes:
        header: Size of a NAL unit's header in bytes.
        aggregate: Type of packets with several units.
        fragment: Type of packets with a part of a unit.
        keyframes: Types of slices that start a decodable sequence.
        parameter_sets: Types of parameter sets.
        single_below: Other types are ignored from this one on.
        unit_type: Returns the type of a unit.
        rebuild_header: Returns a unit's header from that of its first fragment.
    """

    name: str
    header: int
    aggregate: int
    fragment: int
    keyframes: frozenset[int]
    parameter_sets: frozenset[int]
    single_below: int
    unit_type: Callable[[bytes], int]
    rebuild_header: Callable[[bytes], bytes]


H264 = Codec(
    name="h264",
    header=1,
    aggregate=24,
    fragment=28,
    keyframes=frozenset({5}),
    parameter_sets=frozenset({7, 8}),
    single_below=24,
    unit_type=lambda unit: unit[0] & 0x1F,
    rebuild_header=lambda packet: bytes([(packet[0] & 0xE0) | (packet[1] & 0x1F)]),
)
H265 = Codec(
    name="hevc",
    header=2,
    aggregate=48,
    fragment=49,
    keyframes=frozenset(range(16, 22)),
    parameter_sets=frozenset({32, 33, 34}),
    single_below=48,
    unit_type=lambda unit: (unit[0] >> 1) & 0x3F,
    rebuild_header=lambda packet: bytes(
        [(packet[0] & 0x81) | ((packet[2] & 0x3F) << 1), packet[1]]
    ),
)
CODECS = {"H264": H264, "H265": H265, "HEVC": H265}
"""Codecs by their names in session descriptions."""
