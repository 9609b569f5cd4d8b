"""Noise planes of a crop in integers.

The residuals of `networks.srm.SRM`, without its convolutions: all three kernels are made of second
differences. That takes a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from model_handlers.manifest import Kernel, Manifest, NoiseSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.srm_kernels import KERNELS

Planes = npt.NDArray[np.int8]
_Sums = npt.NDArray[np.int16]
_BORDER = 2
_MAX_VALUE = 127


def takes_planes(manifest: Manifest) -> bool:
    """Returns whether the network's graph takes `NoisePlanes` instead of crops.

    It does if the kernels are fixed and their truncated residuals are whole numbers of 8 bits.
    """
    noise = manifest.noise
    ours = manifest.network is None and manifest.reference is None
    fixed = noise.input != "rgb" and not noise.learnable
    limits = [noise.truncation * KERNELS[name][1] for name in noise.kernels]
    return ours and fixed and all(n.is_integer() and n <= _MAX_VALUE for n in limits)


class NoisePlanes:
    """A crop's colours less 128, unless they are not an input, and its residuals.

    The arrays are kept from crop to crop: new ones would cost more time than the sums in them.
    """

    def __init__(self, spec: NoiseSpec) -> None:
        self.limits = [(name, int(spec.truncation * KERNELS[name][1])) for name in spec.kernels]
        self.rgb = spec.input == "rgb+noise"
        self._arrays = _Arrays((0, 0), 0)

    def __call__(self, crop: Pixels) -> Planes:
        """Computes the planes of a crop, uint8 (h, w, 3) RGB.

        Returns:
            (channels, h, w), valid until the next call: red, green and blue; then every kernel on
            red, on green and on blue, truncated and in units of 1 / the kernel's divisor. Borders
            are reflected.
        """
        height, width = crop.shape[:2]
        channels = 3 * (self.rgb + len(self.limits))
        if self._arrays.planes.shape != (channels, height, width):
            self._arrays = _Arrays((height, width), channels)
        arrays = self._arrays
        arrays.read(crop)
        if self.rgb:
            np.bitwise_xor(_within(arrays.colours), 128, out=arrays.planes[:3].view(np.uint8))
        residuals = arrays.planes[3 * self.rgb :].reshape(3, -1, height, width)
        found = arrays.second_differences()
        for number, (name, limit) in enumerate(self.limits):
            arrays.truncated[:] = np.clip(found[name], -limit, limit, out=found[name])
            residuals[:, number] = _within(arrays.truncated.reshape(arrays.colours.shape))
        return arrays.planes


class _Arrays:
    """The arrays for crops of one size. Sums are of rows that are joined, wrong at the joints."""

    def __init__(self, size: tuple[int, int], channels: int) -> None:
        self.planes = np.empty((channels, *size), np.int8)
        height, self._width = (side + 2 * _BORDER for side in size)
        self._padded = np.empty((height, self._width, 3), np.uint8)
        self.colours = np.empty((3, height, self._width), np.uint8)
        self._sums = np.zeros((5, self.colours.size), np.int16)
        self.truncated = np.empty(self.colours.size, np.int8)

    def read(self, crop: Pixels) -> None:
        """Fills `colours` with the planes of a crop and their reflected borders."""
        cv2.copyMakeBorder(
            crop, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_REFLECT_101, dst=self._padded
        )
        cv2.split(self._padded, list(self.colours))

    def second_differences(self) -> Mapping[Kernel, _Sums]:
        """Returns each kernel's sum at every pixel, times the kernel's divisor.

        `square` adds up the second differences across and down: those of a pixel's four
        corners and twice its own.
        """
        pixels, across, both, beside, square = self._sums
        pixels[:] = self.colours.ravel()
        _sides(pixels, 1, across)
        across -= pixels
        across -= pixels
        _sides(across, self._width, both)
        both -= across
        both -= across
        _sides(both, 1, beside)
        _sides(beside, self._width, square)
        for sums in (both, square):  # of which `square` is still without the pixel's own
            np.negative(sums, out=sums)
        square += both
        square += both
        return {"line": across, "second_order": both, "square": square}


def _sides(values: _Sums, step: int, out: _Sums) -> None:
    """Writes the sums of the values `step` before and `step` after each, but for the ends."""
    np.add(values[: -2 * step], values[2 * step :], out=out[step:-step])


def _within(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return values[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
