"""SRM residuals, compared with a convolution by loops."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_handlers.manifest import Kernel, NoiseSpec
from model_handlers.networks.srm import SRM
from model_handlers.srm_kernels import KERNELS
from tests.support.properties import examples

# As printed in Zhou et al. 2018, figure 4, with their divisors.
PUBLISHED = {
    "second_order": (4, [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]),
    "square": (
        12,
        [
            [-1, 2, -2, 2, -1],
            [2, -6, 8, -6, 2],
            [-2, 8, -12, 8, -2],
            [2, -6, 8, -6, 2],
            [-1, 2, -2, 2, -1],
        ],
    ),
    "line": (2, [[1, -2, 1]]),
}
ALL: tuple[Kernel, ...] = ("second_order", "square", "line")


def image(height: int = 9, width: int = 11, seed: int = 0) -> np.ndarray:
    """Integers in 0..255 of shape (3, height, width)."""
    return np.random.default_rng(seed).integers(0, 256, (3, height, width)).astype(np.float64)


def residuals(image: np.ndarray, spec: NoiseSpec) -> np.ndarray:
    with torch.no_grad():
        return SRM(spec)(torch.tensor(image, dtype=torch.float32)[None])[0].double().numpy()


def by_loops(plane: np.ndarray, name: str, truncation: float) -> np.ndarray:
    divisor, kernel = PUBLISHED[name]
    rows, columns = len(kernel), len(kernel[0])
    up, left = rows // 2, columns // 2
    padded = np.pad(plane, ((up, up), (left, left)), mode="reflect")
    out = np.zeros_like(plane)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            for i in range(rows):
                for j in range(columns):
                    out[y, x] += kernel[i][j] * padded[y + i, x + j]
    return np.clip(out / divisor, -truncation, truncation) / truncation


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("truncation", [3.0, 1000.0])
def test_each_residual_is_the_convolution_with_its_kernel(name: Kernel, truncation: float) -> None:
    pixels = image()
    found = residuals(pixels, NoiseSpec(kernels=(name,), truncation=truncation))
    for plane in range(3):
        expected = by_loops(pixels[plane], name, truncation)
        np.testing.assert_allclose(found[plane], expected, atol=1e-5)


def test_channels_are_every_kernel_on_red_then_on_green_then_on_blue() -> None:
    pixels = image()
    found = residuals(pixels, NoiseSpec(kernels=ALL))
    expected = [by_loops(pixels[plane], name, 3.0) for plane in range(3) for name in ALL]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)


def test_kernels_come_in_the_order_of_the_manifest() -> None:
    pixels = image()
    found = residuals(pixels, NoiseSpec(kernels=("line", "second_order")))
    np.testing.assert_allclose(found[0], by_loops(pixels[0], "line", 3.0), atol=1e-5)
    np.testing.assert_allclose(found[1], by_loops(pixels[0], "second_order", 3.0), atol=1e-5)


@pytest.mark.parametrize(("name", "divisor"), [("second_order", 4), ("square", 12), ("line", 2)])
def test_kernels_are_the_published_ones(name: Kernel, divisor: int) -> None:
    kernel, found = KERNELS[name]
    published = np.array(PUBLISHED[name][1])
    rows, columns = (5 - side for side in published.shape)
    padding = ((rows // 2, rows // 2), (columns // 2, columns // 2))
    np.testing.assert_array_equal(kernel, np.pad(published, padding))
    assert found == divisor
    assert np.sum(kernel) == 0


def test_every_kernel_name_in_the_manifest_has_a_kernel() -> None:
    assert set(KERNELS) == set(get_args(Kernel))


@given(value=st.integers(0, 255))
def test_a_uniform_image_has_no_residual(value: int) -> None:
    found = residuals(np.full((3, 8, 8), float(value)), NoiseSpec(kernels=ALL))
    np.testing.assert_array_equal(found, 0)


def test_a_linear_gradient_has_no_residual_away_from_the_border() -> None:
    y, x = np.mgrid[0:12, 0:12].astype(float)
    found = residuals(np.stack([x, y, 3 * x + 2 * y]), NoiseSpec(kernels=ALL))
    np.testing.assert_allclose(found[:, 2:-2, 2:-2], 0, atol=1e-5)


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 999), truncation=st.floats(0.5, 20))
def test_residuals_lie_between_minus_one_and_one(seed: int, truncation: float) -> None:
    found = residuals(image(seed=seed), NoiseSpec(kernels=ALL, truncation=truncation))
    assert np.abs(found).max() <= 1


def test_truncation_is_in_grey_levels() -> None:
    image = np.zeros((3, 7, 7))
    image[:, 3, 3] = 2  # line: 2 * -2 / 2 = -2 at the point, +1 beside it
    found = residuals(image, NoiseSpec(kernels=("line",), truncation=4.0))[0, 3]
    np.testing.assert_allclose(found, [0, 0, 0.25, -0.5, 0.25, 0, 0])
    cut = residuals(image, NoiseSpec(kernels=("line",), truncation=1.0))[0, 3]
    np.testing.assert_allclose(cut, [0, 0, 1, -1, 1, 0, 0])


def test_colour_channels_do_not_mix() -> None:
    pixels = np.zeros((3, 8, 8))
    pixels[1] = image()[1, :8, :8]
    found = residuals(pixels, NoiseSpec(kernels=ALL))
    assert (found[[0, 1, 2, 6, 7, 8]] == 0).all()
    assert (np.abs(found[3:6]).max(axis=(1, 2)) > 0).all()


def gradient(spec: NoiseSpec) -> Tensor | None:
    srm = SRM(spec)
    inputs = torch.tensor(image(), dtype=torch.float32)[None].requires_grad_()
    srm(inputs / 100).sum().backward()
    return srm.weight.grad


def test_only_learnable_kernels_get_a_gradient() -> None:
    assert gradient(NoiseSpec(learnable=False)) is None
    learnt = gradient(NoiseSpec(learnable=True))
    assert learnt is not None
    assert float(learnt.abs().sum()) > 0


@pytest.mark.parametrize("learnable", [False, True])
def test_kernels_are_saved_in_the_weights_file(learnable: bool) -> None:
    assert list(SRM(NoiseSpec(learnable=learnable)).state_dict()) == ["weight"]


def test_fixed_kernels_are_the_published_ones_whatever_the_weights_are() -> None:
    fixed, learnt = (
        SRM(NoiseSpec(kernels=ALL, learnable=learnable)) for learnable in (False, True)
    )
    pixels = torch.tensor(image(), dtype=torch.float32)[None]
    before = fixed(pixels)
    other = {"weight": fixed.weight.half().float()}
    fixed.load_state_dict(other)
    learnt.load_state_dict(other)
    torch.testing.assert_close(fixed(pixels), before, rtol=0, atol=0)
    assert not torch.equal(learnt(pixels), before)
