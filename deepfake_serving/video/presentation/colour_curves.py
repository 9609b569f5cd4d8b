"""Transfer functions and primaries of video, by the code points of ITU-T H.273."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Light = Any  # an array of floats; numpy infers Any for its arithmetic
Curve = Callable[[Light], Light]

REFERENCE_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR video (ITU-R BT.2408)."""
HLG, PQ, LINEAR = 18, 16, 8
_HLG_PEAK_NITS, _HLG_GAMMA = 1000.0, 1.2
_IDENTITY = np.eye(3)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])


def srgb_to_linear(value: Light) -> Light:
    """Decodes IEC 61966-2-1."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Light) -> Light:
    """Encodes IEC 61966-2-1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def pq_to_linear(value: Light) -> Light:
    """Decodes SMPTE ST 2084; 1.0 is `REFERENCE_WHITE_NITS`."""
    m1, m2 = 2610 / 16384, 2523 / 32
    c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.clip(value, 0, 1) ** (1 / m2)
    light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light * (10_000 / REFERENCE_WHITE_NITS)


def hlg_to_scene(value: Light) -> Light:
    """Decodes ARIB STD-B67 to the light of the scene, 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    value = np.clip(value, 0, 1)
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)


def hlg_to_linear(value: Light, to_rgb: Light = _IDENTITY) -> Light:
    """Decodes ARIB STD-B67, (n, 3), as shown by a display of 1000 nits (ITU-R BT.2100).

    `to_rgb` converts the channels' light to RGB.
    """
    scene = np.maximum(hlg_to_scene(value) @ to_rgb.T, 0)
    luma = np.maximum(scene @ _LUMA_2020, 1e-9)[..., None]
    return scene * luma ** (_HLG_GAMMA - 1) * (_HLG_PEAK_NITS / REFERENCE_WHITE_NITS)


def _power(exponent: float, white: float = 1.0) -> Curve:
    def curve(value: Light) -> Light:
        return white * np.clip(value, 0, 1) ** exponent

    return curve


def _logarithmic(decades: float) -> Curve:
    def curve(value: Light) -> Light:
        return np.where(value <= 0, 0.0, 10.0 ** (decades * (np.clip(value, 0, 1) - 1)))

    return curve


DISPLAY_TRANSFERS = frozenset({0, 1, 2, 3, 6, 7, 11, 12, 13, 14, 15})
"""Transfer functions that browsers show as sRGB: those of SD and HD television, sRGB itself, and
the unspecified and reserved ones."""

CURVES: Mapping[int, Curve] = {
    **dict.fromkeys(DISPLAY_TRANSFERS, srgb_to_linear),
    4: _power(2.2),
    5: _power(2.8),
    LINEAR: _power(1.0),
    9: _logarithmic(2.0),
    10: _logarithmic(2.5),
    PQ: pq_to_linear,
    17: _power(2.6, 52.37 / 48),
    HLG: hlg_to_linear,
}
"""From code values, 0 to 1, to linear light by transfer function."""

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
_SMPTE170M = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))

DISPLAY_PRIMARIES = frozenset({0, 1, 2, 3, 5, 6, 7, 22})
"""Primaries that are shown as sRGB's: those of SD and HD television, which differ little, and the
unspecified and reserved ones."""

PRIMARIES: Mapping[int, tuple[tuple[float, float], ...]] = {
    **dict.fromkeys((0, 1, 2, 3), _BT709),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _C),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: _SMPTE170M,
    7: _SMPTE170M,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: (*_P3, _DCI),
    12: (*_P3, _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
"""Chromaticities x, y of red, green, blue and white."""

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def rgb_to_xyz(primaries: int) -> Light:
    """Returns the (3, 3) matrix from linear RGB to CIE XYZ; white has a Y of 1."""
    *corners, white = PRIMARIES[primaries]
    columns = np.array([_xyz(corner) for corner in corners]).T
    return columns * np.linalg.solve(columns, _xyz(white))


def to_srgb_primaries(primaries: int) -> Light:
    """Returns the (3, 3) matrix to linear sRGB; Bradford's method adapts white."""
    source_white, target_white = (_BRADFORD @ _xyz(PRIMARIES[p][3]) for p in (primaries, 1))
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag(target_white / source_white) @ _BRADFORD
    matrix: Light = np.linalg.inv(rgb_to_xyz(1)) @ adaptation @ rgb_to_xyz(primaries)
    return matrix


def _xyz(xy: tuple[float, float]) -> Light:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])
