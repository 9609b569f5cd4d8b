"""Frequency planes of F3-Net: decomposition into bands (FAD) and local statistics (LFS).

Qian et al., "Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware Clues", ECCV
2020 (arXiv:2007.09355).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_GREY = (0.299, 0.587, 0.114)
_FLOOR = 1e-15


class BandFilter(nn.Module):
    """A mask of DCT coefficients with low ≤ row + column ≤ high, and a learned addition in ±1."""

    base: Tensor

    def __init__(self, size: int, low: float, high: float) -> None:
        super().__init__()
        index = torch.arange(size)
        total = index[:, None] + index[None, :]
        self.register_buffer("base", ((total >= low) & (total <= high)).float(), persistent=False)
        self.learnable = nn.Parameter(torch.randn(size, size) * 0.1)

    def forward(self) -> Tensor:
        """Returns the mask (size, size)."""
        return self.base + 2 * torch.sigmoid(self.learnable) - 1


class FrequencyDecomposition(nn.Module):
    """FAD: the image in low, middle and high frequencies, and in all of them.

    Shapes:
        input: (n, 3, s, s); output: (n, 12, s, s).
    """

    dct: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("dct", dct_matrix(size), persistent=False)
        bands = [
            (0, size // 2.82),
            (size // 2.82, size // 2),
            (size // 2, size * 2),
            (0, size * 2),
        ]
        self.filters = nn.ModuleList(BandFilter(size, low, high) for low, high in bands)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            spectrum = self.dct @ x.to(self.dct) @ self.dct.T
            return torch.cat([self.dct.T @ (spectrum * f()) @ self.dct for f in self.filters], 1)


class LocalStatistics(nn.Module):
    """LFS: means of the logarithmic DCT of sliding windows, by bands of frequencies.

    Coefficients near zero have large logarithms, so that rounding matters: the operations and their
    order are those of the public implementation.

    Shapes:
        input: (n, 3, s, s) in ±1; output: (n, bands, t, t), t = (s + 8 - window) // 2 + 1.
    """

    dct: Tensor

    def __init__(self, window: int, bands: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("dct", dct_matrix(window), persistent=False)
        step = window * 2.0 / bands
        self.filters = nn.ModuleList(
            BandFilter(window, step * band, step * (band + 1)) for band in range(bands)
        )

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.dct)
            red, green, blue = (
                share * x[:, plane : plane + 1] for plane, share in enumerate(_GREY)
            )
            grey = (red + green + blue + 1.0) * 122.5
            windows = functional.unfold(grey, self.window, stride=2, padding=4).transpose(1, 2)
            windows = windows.reshape(len(x), -1, self.window, self.window)
            spectrum = torch.log10((self.dct @ windows @ self.dct.T).abs() + _FLOOR)
            statistics = spectrum.flatten(2) @ self._weights()
            side = (x.shape[2] + 8 - self.window) // 2 + 1
            return statistics.transpose(1, 2).reshape(len(x), -1, side, side)

    def _weights(self) -> Tensor:
        """Returns the filters, each over the number of its coefficients: (window², bands)."""
        masks = [f() / f.base.sum() for f in self.filters]  # type: ignore[operator]
        return torch.stack(masks).flatten(1).T


class GradientPlanes(nn.Module):
    """RGB, Sobel in x and in y, and RGB minus its Gaussian blur, of each colour.

    The users of this variant do not publish their blur; here it is binomial, 5x5.

    Shapes:
        input: (n, 3, s, s); output: (n, 12, s, s).
    """

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        sobel = functional.pad(torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]), (1, 1, 1, 1))
        binomial = torch.tensor([1.0, 4, 6, 4, 1]) / 16
        high_pass = -torch.outer(binomial, binomial)
        high_pass[2, 2] += 1
        bank = torch.stack([sobel, sobel.T, high_pass]).repeat_interleave(3, dim=0)
        self.register_buffer("kernels", bank.unsqueeze(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        filtered = functional.conv2d(x.repeat(1, 3, 1, 1), self.kernels, padding=2, groups=9)
        return torch.cat([x, filtered], dim=1)


def dct_matrix(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Returns the orthonormal DCT-II matrix (size, size): rows are frequencies."""
    index = torch.arange(size, dtype=torch.float64)
    angles = (index[None, :] + 0.5) * math.pi * index[:, None] / size
    matrix = angles.cos() * math.sqrt(2 / size)
    matrix[0] = math.sqrt(1 / size)
    return matrix.to(dtype)
