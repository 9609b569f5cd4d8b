"""Crops: the right square, reflected at the border, resized once, always of the right size."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face, fit_crop, shrink
from model_handlers.pipeline.decode import Pixels
from tests.support.properties import examples

PAD = 60


@pytest.fixture(scope="module")
def image() -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (70, 100, 3), dtype=np.uint8)


def test_an_interior_crop_of_the_right_size_is_exact(image: Pixels) -> None:
    crop = crop_face(image, (20, 10, 60, 50), CropSpec(size=40, margin=1.0))
    np.testing.assert_array_equal(crop, image[10:50, 20:60])


def test_the_margin_grows_the_square_about_the_centre(image: Pixels) -> None:
    crop = crop_face(image, (40, 20, 60, 40), CropSpec(size=40, margin=2.0))
    np.testing.assert_array_equal(crop, image[10:50, 30:70])


@pytest.mark.parametrize("box", [(30, 20, 50, 60), (20, 30, 60, 50)])
def test_the_longer_side_makes_the_square(
    image: Pixels, box: tuple[float, float, float, float]
) -> None:
    crop = crop_face(image, box, CropSpec(size=40, margin=1.0))
    np.testing.assert_array_equal(crop, image[20:60, 20:60])


@pytest.mark.parametrize(
    ("left", "top"),
    [(-10, 5), (5, -10), (-12, -12), (75, 20), (30, 45), (80, 50), (-40, -30), (99, 69), (-39, 69)],
)
def test_pixels_beyond_the_image_equal_the_reflection_of_numpy(
    image: Pixels, left: int, top: int
) -> None:
    padded = np.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="reflect")
    crop = crop_face(image, (left, top, left + 40, top + 40), CropSpec(size=40, margin=1.0))
    rows, columns = slice(top + PAD, top + PAD + 40), slice(left + PAD, left + PAD + 40)
    np.testing.assert_array_equal(crop, padded[rows, columns])


@pytest.mark.parametrize("offset", [-1000, -333, 500, 1234])
def test_reflection_repeats_at_any_distance(image: Pixels, offset: int) -> None:
    padded = np.pad(image, ((1300, 1300), (1300, 1300), (0, 0)), mode="reflect")
    box = (offset, offset, offset + 32, offset + 32)
    crop = crop_face(image, box, CropSpec(size=32, margin=1.0))
    at = slice(offset + 1300, offset + 1332)
    np.testing.assert_array_equal(crop, padded[at, at])


def test_a_single_pixel_gives_a_uniform_crop() -> None:
    pixel = np.array([[[10, 20, 30]]], np.uint8)
    crop = crop_face(pixel, (0, 0, 1, 1), CropSpec(size=32, margin=3.0))
    np.testing.assert_array_equal(crop, np.broadcast_to(pixel, (32, 32, 3)))


@pytest.mark.parametrize(
    ("side", "method"), [(90, cv2.INTER_AREA), (64, cv2.INTER_AREA), (20, cv2.INTER_CUBIC)]
)
def test_large_squares_are_averaged_and_small_ones_interpolated(
    astronaut: Pixels, side: int, method: int
) -> None:
    crop = crop_face(astronaut, (180, 60, 180 + side, 60 + side), CropSpec(size=48, margin=1.0))
    patch = np.ascontiguousarray(astronaut[60 : 60 + side, 180 : 180 + side])
    np.testing.assert_array_equal(crop, cv2.resize(patch, (48, 48), interpolation=method))


@pytest.mark.parametrize("box", [(50, 30, 50, 30), (60, 40, 40, 20), (50, 30, 50.2, 30.1)])
def test_a_box_without_area_gives_a_crop_around_its_position(
    box: tuple[float, float, float, float],
) -> None:
    halves = np.zeros((60, 100, 3), np.uint8)
    halves[:, 45:] = 200
    crop = crop_face(halves, box, CropSpec(size=32))
    assert crop.shape == (32, 32, 3)
    assert (crop == 200).all()


side = st.floats(-500, 1500, allow_nan=False)


@settings(max_examples=examples(150))
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    box=st.tuples(side, side, side, side),
    size=st.integers(32, 70),
    margin=st.floats(1, 3),
)
def test_any_box_on_any_image_gives_a_crop_of_the_right_size(
    shape: tuple[int, int], box: tuple[float, float, float, float], size: int, margin: float
) -> None:
    image = np.arange(shape[0] * shape[1] * 3).reshape(*shape, 3).astype(np.uint8)
    crop = crop_face(image, box, CropSpec(size=size, margin=margin))
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    assert crop.flags.c_contiguous


@settings(max_examples=examples(50))
@given(shape=st.tuples(st.integers(1, 50), st.integers(1, 50)), value=st.integers(0, 255))
def test_a_uniform_image_gives_a_uniform_crop(shape: tuple[int, int], value: int) -> None:
    image = np.full((*shape, 3), value, np.uint8)
    assert (crop_face(image, (-5, 3, 40, 30), CropSpec(size=40)) == value).all()


def test_the_image_is_not_modified(image: Pixels) -> None:
    before = image.copy()
    crop_face(image, (20, 10, 60, 50), CropSpec(size=40, margin=1.0))[:] = 0
    np.testing.assert_array_equal(image, before)


# Ready-made crops --------------------------------------------------------------------------------


def test_a_crop_of_the_right_size_is_unchanged(astronaut: Pixels) -> None:
    crop = np.ascontiguousarray(astronaut[:224, :224])
    np.testing.assert_array_equal(fit_crop(crop, CropSpec(margin=1.3)), crop)


def test_a_square_crop_is_only_resized(astronaut: Pixels) -> None:
    resized = cv2.resize(astronaut, (224, 224), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(fit_crop(astronaut, CropSpec(margin=2.0)), resized)


@pytest.mark.parametrize("turned", [False, True])
def test_a_crop_that_is_not_square_is_padded_by_reflection(image: Pixels, turned: bool) -> None:
    crop = image.transpose(1, 0, 2) if turned else image
    padded = np.pad(image, ((15, 15), (0, 0), (0, 0)), mode="reflect")
    fitted = fit_crop(np.ascontiguousarray(crop), CropSpec(size=100))
    np.testing.assert_array_equal(fitted, padded.transpose(1, 0, 2) if turned else padded)


@pytest.mark.parametrize("shape", [(1, 2_000_000), (2_000_000, 1), (100, 20_000), (20_000, 100)])
def test_a_long_and_thin_crop_uses_little_memory(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    tracemalloc.start()
    fitted = fit_crop(image, CropSpec(size=64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fitted.shape == (64, 64, 3)
    assert (fitted == 77).all()
    assert peak < 20 * 2**20


def test_shrinking_before_the_crop_changes_little(astronaut: Pixels) -> None:
    wide = np.ascontiguousarray(cv2.resize(astronaut, (1200, 600))[100:500])
    padded = np.pad(wide, ((400, 400), (0, 0), (0, 0)), mode="reflect")
    expected = cv2.resize(padded, (64, 64), interpolation=cv2.INTER_AREA)
    fitted = fit_crop(wide, CropSpec(size=64))  # 1200 px are more than 8 * 64
    assert np.abs(fitted.astype(int) - expected).mean() < 3


def test_a_square_of_eight_output_sides_is_reflected_in_full() -> None:
    image = np.random.default_rng(2).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    padded = np.pad(image, ((28, 28), (28, 28), (0, 0)), mode="reflect")
    expected = cv2.resize(padded, (32, 32), interpolation=cv2.INTER_AREA)
    crop = crop_face(image, (-28, -28, 228, 228), CropSpec(size=32, margin=1.0))
    np.testing.assert_array_equal(crop, expected)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_shrink_never_enlarges(image: Pixels, scale: float) -> None:
    assert shrink(image, scale) is image


def test_shrink_keeps_at_least_a_pixel() -> None:
    assert shrink(np.zeros((1, 1000, 3), np.uint8), 0.1).shape == (1, 100, 3)
