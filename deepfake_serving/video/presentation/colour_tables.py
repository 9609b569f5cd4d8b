"""Tables that convert the colours of a video to sRGB.

A table is a Hald image for FFmpeg's `haldclut`: a cube of 64 x 64 x 64 colours.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepfake_serving.video.presentation.colour_curves import (
    CURVES,
    DISPLAY_PRIMARIES,
    DISPLAY_TRANSFERS,
    HLG,
    LINEAR,
    PQ,
    Light,
    hlg_to_linear,
    linear_to_srgb,
    pq_to_linear,
    rgb_to_xyz,
    to_srgb_primaries,
)

_LEVEL = 8
_SIDE = _LEVEL**2
_KNEE = 0.5
"""Linear light, of a display's white, up to which tone mapping changes nothing."""
LINEAR_GAMMA = 2.2
"""Linear light is encoded with this gamma before the table is applied, for its dark colours."""

YCGCO, BT2020_C, DERIVED_NC, DERIVED_C, ICTCP = 8, 10, 12, 13, 14
TABLE_MATRICES = frozenset({YCGCO, BT2020_C, DERIVED_NC, DERIVED_C, ICTCP})
"""Matrix coefficients that FFmpeg's scaler lacks, so the table has Y, Cb, Cr as its input."""

_ICTCP_TO_LMS = {
    PQ: np.linalg.inv(
        np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096
    ),
    HLG: np.linalg.inv(
        np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) / 4096
    ),
}
_LMS_TO_RGB = np.linalg.inv(np.array([[1688, 2146, 262], [683, 2951, 462], [99, 309, 3688]]) / 4096)


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """The colours of a frame, as code points of ITU-T H.273. `peak` is relative to white."""

    matrix: int
    full_range: bool
    transfer: int
    primaries: int
    peak: float

    @property
    def is_display(self) -> bool:
        """Whether the R'G'B' values are shown as they are."""
        return self.transfer in DISPLAY_TRANSFERS and self.primaries in DISPLAY_PRIMARIES


@functools.lru_cache(maxsize=8)
def hald_image(space: ColourSpace) -> npt.NDArray[np.uint16]:
    """Returns the table, uint16 (512, 512, 3) RGB, from the colours of `space` to sRGB.

    Its input is R'G'B', or Cr, Y, Cb as red, green, blue for one of `TABLE_MATRICES`.
    """
    steps = np.arange(_SIDE) / (_SIDE - 1)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    srgb = to_srgb(np.stack([red, green, blue], -1).reshape(-1, 3), space)
    side = _LEVEL**3
    table: npt.NDArray[np.uint16] = np.round(srgb * 65535).astype(np.uint16)
    return table.reshape(side, side, 3)


def to_srgb(values: Light, space: ColourSpace) -> Light:
    """Converts code values (n, 3), 0 to 1, to sRGB, 0 to 1."""
    if space.matrix == ICTCP:
        light = _ictcp_to_linear(_unpack(values, space.full_range), space.transfer)
    else:
        coded = _to_rgb(values, space)
        if space.is_display:
            return np.clip(coded, 0, 1)
        curve = CURVES[space.transfer]
        light = coded**LINEAR_GAMMA if space.transfer == LINEAR else curve(coded)
    light = np.maximum(light @ to_srgb_primaries(space.primaries).T, 0)
    return np.clip(linear_to_srgb(_tone_map(light, space.peak)), 0, 1)


def _tone_map(light: Light, peak: float) -> Light:
    """Compresses what is brighter than the knee into the rest of a display's range.

    Each channel for itself, so that bright skin becomes pale, as in SDR cameras. By its brightest
    channel it would keep its hue, but become flat, with edges where another channel begins to
    decide. The curve is smooth at the knee, and `peak` becomes white.
    """
    if peak <= 1:
        return light
    headroom, excess = 1 - _KNEE, np.maximum(light - _KNEE, 0)
    bend = (peak - _KNEE) * headroom / (peak - 1)  # maps the excess of `peak` to `headroom`
    return np.where(light > _KNEE, _KNEE + excess * bend / (excess + bend), light)


def _to_rgb(values: Light, space: ColourSpace) -> Light:
    if space.matrix not in TABLE_MATRICES:
        return values
    luma, blue, red = _unpack(values, space.full_range).T
    if space.matrix == YCGCO:  # green and orange differences in the place of blue and red ones
        rest = luma - blue
        return np.clip(np.stack([rest + red, luma + blue, rest - red], -1), 0, 1)
    kr, kg, kb = rgb_to_xyz(space.primaries)[1]
    if space.matrix == DERIVED_NC:
        r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
        g = (luma - kr * r - kb * b) / kg
        return np.clip(np.stack([r, g, b], -1), 0, 1)
    return _constant_luminance(luma, blue, red, (kr, kg, kb))


def _constant_luminance(luma: Light, blue: Light, red: Light, k: tuple[float, ...]) -> Light:
    """Converts Y'c, Cbc, Crc to R'G'B' with the transfer function of BT.2020."""
    kr, kg, kb = k
    b = luma + blue * np.where(blue <= 0, *(2 * limit for limit in _spans(kb)))
    r = luma + red * np.where(red <= 0, *(2 * limit for limit in _spans(kr)))
    light = _bt709_to_scene(luma) - kr * _bt709_to_scene(r) - kb * _bt709_to_scene(b)
    g = _scene_to_bt709(np.maximum(light / kg, 0))
    return np.clip(np.stack([r, g, b], -1), 0, 1)


def _spans(k: float) -> tuple[float, float]:
    """Returns the largest negative and positive differences of one channel and the luminance."""
    return float(_scene_to_bt709(np.array(1 - k))), float(1 - _scene_to_bt709(np.array(k)))


def _bt709_to_scene(value: Light) -> Light:
    value = np.clip(value, 0, 1)
    return np.where(value < 0.0812, value / 4.5, ((value + 0.0993) / 1.0993) ** (1 / 0.45))


def _scene_to_bt709(light: Light) -> Light:
    return np.where(light < 0.0181, 4.5 * light, 1.0993 * light**0.45 - 0.0993)


def _ictcp_to_linear(components: Light, transfer: int) -> Light:
    lms = components @ _ICTCP_TO_LMS[transfer].T
    if transfer == PQ:
        return pq_to_linear(lms) @ _LMS_TO_RGB.T
    return hlg_to_linear(lms, _LMS_TO_RGB)


def _unpack(values: Light, full_range: bool) -> Light:
    """Converts Cr, Y, Cb code values to Y, 0 to 1, and Cb, Cr, -0.5 to 0.5."""
    luma, chroma = values[:, 1], values[:, [2, 0]] - 32768 / 65535
    if not full_range:
        luma = (luma * 65535 / 256 - 16) / 219
        chroma = chroma * 65535 / 256 / 224
    return np.column_stack([luma, chroma])
