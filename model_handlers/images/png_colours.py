"""The colours of a PNG without an ICC profile: its gAMA, cHRM and cICP chunks (PNG, 4.3).

https://www.w3.org/TR/png-3/#colour-space-chunks
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable

import numpy as np

from model_handlers.images.matrix_profile import (
    D65,
    SRGB,
    Chromaticities,
    Floats,
    matrix_profile,
)

_START = 8
_MAX_CHUNKS = 64
"""Chunks to look at before the pixels."""
_SRGB_GAMMA, _TOLERANCE = 1 / 2.2, 0.05
"""A gamma that is shown as sRGB's curve, and its relative error."""
_MIN_GAMMA, _MAX_GAMMA = 0.1, 10.0
_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
"""Luminance of diffuse white in HDR (ITU-R BT.2408), and of what is shown as white."""
_KNEE = 0.8
"""Linear light up to which tone mapping changes nothing."""
_STEPS = np.arange(4096) / 4095


def png_profile(data: bytes) -> bytes | None:
    """Returns the ICC profile of colours that differ from sRGB; None if the PNG has none.

    `cICP` counts before all others, `iCCP` and `sRGB` count before `gAMA` and `cHRM`. An empty
    profile is sRGB by `cICP`.
    """
    chunks = _chunks(data)
    if len(cicp := chunks.get(b"cICP", b"")) == 4 and (found := _profile_of(*cicp)) is not None:
        return found
    if b"iCCP" in chunks or b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    (gamma,) = struct.unpack(">I", chunks[b"gAMA"])
    return _gamma_profile(gamma / 100_000, chunks.get(b"cHRM", b""))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Returns the chunks before the pixels, by name."""
    chunks: dict[bytes, bytes] = {}
    at = _START
    while at + 8 <= len(data) and len(chunks) < _MAX_CHUNKS:
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            break
        chunks.setdefault(name, data[at + 8 : at + 8 + length])
        at += length + 12
    return chunks


def _gamma_profile(gamma: float, chromaticities: bytes) -> bytes | None:
    primaries = _primaries(chromaticities)
    is_srgb = abs(gamma - _SRGB_GAMMA) <= _TOLERANCE * _SRGB_GAMMA
    if not _MIN_GAMMA <= gamma <= _MAX_GAMMA or (is_srgb and primaries == SRGB):
        return None
    try:
        return matrix_profile(primaries, _srgb(_STEPS) if is_srgb else _STEPS ** (1 / gamma))
    except (np.linalg.LinAlgError, ArithmeticError, struct.error):
        return None


def _primaries(chunk: bytes) -> Chromaticities:
    """Returns the chromaticities of a cHRM chunk; those of sRGB if it is missing or impossible."""
    if len(chunk) != 32:
        return SRGB
    white, *corners = ((x / 1e5, y / 1e5) for x, y in struct.iter_unpack(">II", chunk))
    stated = (*corners, white)
    if any(not 0 < y <= 1 or x > 1 for x, y in stated):
        return SRGB
    near = np.abs(np.array(stated) - SRGB).max() < 0.005
    return SRGB if near else stated


@functools.lru_cache(maxsize=16)
def _profile_of(primaries: int, transfer: int, matrix: int, full_range: int) -> bytes | None:
    """Returns the profile of code points of ITU-T H.273; None if they can't be used."""
    if matrix != 0 or full_range != 1 or primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    if _PRIMARIES[primaries] == SRGB and transfer in _SRGB_TRANSFERS:
        return b""
    return matrix_profile(_PRIMARIES[primaries], _CURVES[transfer](_STEPS))


def _srgb(value: Floats) -> Floats:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _pq(value: Floats) -> Floats:
    """Decodes SMPTE ST 2084, tone-mapped."""
    root = value ** (32 / 2523)
    light = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return _tone_map(light ** (16384 / 2610) * (10_000 / _WHITE_NITS))


def _hlg(value: Floats) -> Floats:
    """Decodes ARIB STD-B67 as shown by a display of 1000 nits (ITU-R BT.2100), tone-mapped.

    Its system gamma is applied to each channel.
    """
    bright = (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    scene = np.where(value <= 0.5, value**2 / 3, bright)
    return _tone_map(scene**1.2 * (_PEAK_NITS / _WHITE_NITS))


def _tone_map(light: Floats) -> Floats:
    """Compresses what is brighter than the knee; the peak becomes white."""
    peak, headroom = _PEAK_NITS / _WHITE_NITS, 1 - _KNEE
    excess = np.maximum(light - _KNEE, 0)
    bend = (peak - _KNEE) * headroom / (peak - 1)
    return np.where(light > _KNEE, _KNEE + excess * bend / (excess + bend), light)


_SRGB_TRANSFERS = frozenset({1, 6, 13, 14, 15})
"""Transfer functions that browsers show as sRGB's."""
_CURVES: dict[int, Callable[[Floats], Floats]] = {
    **dict.fromkeys(_SRGB_TRANSFERS, _srgb),
    4: lambda value: value**2.2,
    5: lambda value: value**2.8,
    8: lambda value: value,
    16: _pq,
    18: _hlg,
}
_PRIMARIES: dict[int, Chromaticities] = {
    **dict.fromkeys((1, 5, 6, 7), SRGB),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
