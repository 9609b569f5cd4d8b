"""Colours by the code points of ITU-T H.273, as PNG, AVIF and HEIC state them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from model_handlers.images.matrix_profile import (
    D65,
    SRGB,
    Chromaticities,
    Floats,
    matrix_profile,
)

_WHITE_NITS, _PEAK_NITS = 203.0, 1000.0
"""Luminance of diffuse white in HDR (ITU-R BT.2408), and of what is shown as white."""
_KNEE = 0.5
"""Linear light up to which tone mapping changes nothing."""
STEPS = np.arange(4096) / 4095
"""Code values, 0 to 1, at which the curve of a profile is given."""


@functools.lru_cache(maxsize=16)
def coded_profile(primaries: int, transfer: int) -> bytes | None:
    """Returns the ICC profile of RGB colours; empty if they are sRGB's, None if they are unknown.

    HDR is tone-mapped.
    """
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    if _PRIMARIES[primaries] == SRGB and transfer in _SRGB_TRANSFERS:
        return b""
    return matrix_profile(_PRIMARIES[primaries], _CURVES[transfer](STEPS))


def srgb_to_linear(value: Floats) -> Floats:
    """Decodes IEC 61966-2-1."""
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
    **dict.fromkeys(_SRGB_TRANSFERS, srgb_to_linear),
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
