"""H.264 and H.265 as RTP carries them: how their NAL units are told apart.

RFC 6184 (H.264), section 5.2 and 5.8; RFC 7798 (H.265), section 1.1.4 and 4.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec by its name in FFmpeg.

    `header` is the size of a NAL unit's header, `aggregate` and `fragment` the types of packets
    that hold several units or a part of one, `keyframes` the types of pictures that need no other,
    `sets` those of parameter sets; types from `single_below` on that are none of these are not
    read. `rebuilt` makes a unit's header of those of its fragments.
    """

    name: str
    header: int
    aggregate: int
    fragment: int
    keyframes: frozenset[int]
    sets: frozenset[int]
    single_below: int
    kind: Callable[[bytes], int]
    rebuilt: Callable[[bytes], bytes]


H264 = Codec(
    name="h264",
    header=1,
    aggregate=24,
    fragment=28,
    keyframes=frozenset({5}),
    sets=frozenset({7, 8}),
    single_below=24,
    kind=lambda unit: unit[0] & 0x1F,
    rebuilt=lambda packet: bytes([(packet[0] & 0xE0) | (packet[1] & 0x1F)]),
)
H265 = Codec(
    name="hevc",
    header=2,
    aggregate=48,
    fragment=49,
    keyframes=frozenset(range(16, 22)),
    sets=frozenset({32, 33, 34}),
    single_below=48,
    kind=lambda unit: (unit[0] >> 1) & 0x3F,
    rebuilt=lambda packet: bytes([(packet[0] & 0x81) | ((packet[2] & 0x3F) << 1), packet[1]]),
)
CODECS = {"H264": H264, "H265": H265, "HEVC": H265}
"""By their names in session descriptions."""
