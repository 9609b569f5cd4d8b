"""The number of frames that a decoder keeps for later ones to refer to."""

from __future__ import annotations

from collections.abc import Callable

from deepfake_serving.video.memory.bits import BitReader
from deepfake_serving.video.memory.nal_units import h264_units, hevc_units

_MOST = 16
"""The most that H.264 (A.3.1), H.265 and H.266 (A.4.2) allow."""
_FIXED = {"vp9": 8, "av1": 8, "libdav1d": 8, "libaom-av1": 8, "vvc": _MOST, "dirac": 8, "snow": 8}
_OTHER = 2
"""References of codecs with B-frames, such as MPEG-2, and more than those without have."""

_H264_SPS, _HEVC_SPS = 7, 33
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles of H.264 whose parameter set states the format of its pixels (7.3.2.1.1)."""
_SCALING_LISTS, _SCALING_LISTS_444 = 8, 12
_4_4_4 = 3


def reference_frames(codec: str, extradata: bytes | None) -> int:
    """Returns how many frames the decoder of a stream keeps.

    H.264 and H.265 state it in their configuration. Where that cannot be read, it is the most
    that the codec allows.

    Args:
        codec: FFmpeg's name of it.
        extradata: the codec's configuration in the container.
    """
    if codec == "h264":
        return _largest(_h264_references, h264_units(extradata or b""))
    if codec == "hevc":
        return _largest(_hevc_references, hevc_units(extradata or b""))
    return _FIXED.get(codec, _OTHER)


def _largest(read: Callable[[bytes], int | None], units: object) -> int:
    try:
        counts = [count for unit in units if (count := read(unit)) is not None]  # type: ignore[attr-defined]
    except ValueError:
        return _MOST
    return min(_MOST, max(counts, default=_MOST))


def _h264_references(unit: bytes) -> int | None:
    """Returns `max_num_ref_frames` of a sequence parameter set; None for another unit."""
    if not unit or unit[0] & 31 != _H264_SPS:
        return None
    reader = BitReader(unit[1:])
    profile = reader.bits(8)
    reader.bits(16)
    reader.unsigned()
    if profile in _HIGH_PROFILES:
        _skip_pixel_format(reader)
    reader.unsigned()
    order = reader.unsigned()
    if order == 0:
        reader.unsigned()
    elif order == 1:
        reader.bits(1)
        for _ in range(2):
            reader.signed()
        for _ in range(min(255, reader.unsigned())):
            reader.signed()
    return reader.unsigned()


def _skip_pixel_format(reader: BitReader) -> None:
    chroma = reader.unsigned()
    if chroma == _4_4_4:
        reader.bits(1)
    reader.unsigned()
    reader.unsigned()
    reader.bits(1)
    if reader.bits(1):
        for index in range(_SCALING_LISTS_444 if chroma == _4_4_4 else _SCALING_LISTS):
            if reader.bits(1):
                _skip_scaling_list(reader, 16 if index < 6 else 64)


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.signed()) % 256
        last = following or last


def _hevc_references(unit: bytes) -> int | None:
    """Returns the largest `sps_max_dec_pic_buffering` of a set; None for another unit."""
    if len(unit) < 2 or unit[0] >> 1 & 63 != _HEVC_SPS:
        return None
    reader = BitReader(unit[2:])
    reader.bits(4)
    sub_layers = reader.bits(3)
    reader.bits(1)
    _skip_profile(reader, sub_layers)
    reader.unsigned()
    if reader.unsigned() == _4_4_4:
        reader.bits(1)
    reader.unsigned()
    reader.unsigned()
    if reader.bits(1):
        for _ in range(4):
            reader.unsigned()
    for _ in range(3):
        reader.unsigned()
    sets = sub_layers + 1 if reader.bits(1) else 1
    buffered = [(reader.unsigned() + 1, reader.unsigned(), reader.unsigned()) for _ in range(sets)]
    return max(frames for frames, *_ in buffered)


def _skip_profile(reader: BitReader, sub_layers: int) -> None:
    """Skips `profile_tier_level` (ITU-T H.265, 7.3.3)."""
    reader.bits(96)
    flags = [(reader.bits(1), reader.bits(1)) for _ in range(sub_layers)]
    if sub_layers:
        reader.bits(2 * (8 - sub_layers))
    for has_profile, has_level in flags:
        reader.bits(88 * has_profile + 8 * has_level)
