"""Crops as other projects cut them: padded, black beyond the border, boxed, stretched, aligned."""

from __future__ import annotations

import numpy as np
import pytest

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.crops.aligned import similarity, target_landmarks
from model_handlers.pipeline.crops.face import cut_face, fit_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.face import Face

WIDTH, HEIGHT = 120, 90


@pytest.fixture
def image() -> Pixels:
    values = np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH, 3))
    return values.astype(np.uint8)


def face(box: tuple[float, float, float, float]) -> Face:
    x1, y1, x2, y2 = box
    across, down = (np.array([0.3, 0.7, 0.5, 0.35, 0.65]), np.array([0.4, 0.4, 0.6, 0.8, 0.8]))
    points = zip(x1 + across * (x2 - x1), y1 + down * (y2 - y1), strict=True)
    return Face(box, tuple((float(x), float(y)) for x, y in points), 0.99)


def test_padding_is_in_pixels_of_the_image(image: Pixels) -> None:
    padded = crop_face(image, (40, 30, 60, 50), CropSpec(size=32, margin=1.0, padding_px=6))
    np.testing.assert_array_equal(padded, image[24:56, 34:66])


def test_beyond_the_border_is_black(image: Pixels) -> None:
    crop = crop_face(image, (0, 0, 32, 32), CropSpec(size=64, margin=2.0, border="black"))
    assert not crop[:16].any()
    assert not crop[:, :16].any()
    np.testing.assert_array_equal(crop[16:, 16:], image[:48, :48])


def test_a_box_keeps_its_proportions_on_black(image: Pixels) -> None:
    spec = CropSpec(size=64, margin=1.0, shape="box")
    crop = cut_face(image, face((10, 10, 42, 74)), spec)
    assert not crop[:, :16].any()
    assert not crop[:, 48:].any()
    np.testing.assert_array_equal(crop[:, 16:48], image[10:74, 10:42])


def test_the_margin_of_a_box_widens_each_side_as_far_as_the_image_goes(image: Pixels) -> None:
    spec = CropSpec(size=60, margin=5 / 3, shape="box")
    crop = cut_face(image, face((40, 20, 64, 56)), spec)
    np.testing.assert_array_equal(crop[:, 10:50], image[8:68, 32:72])


def test_a_stretched_box_fills_the_square(image: Pixels) -> None:
    spec = CropSpec(size=32, margin=1.0, shape="stretched")
    assert cut_face(image, face((10, 10, 42, 74)), spec).all(axis=2).mean() > 0.99


@pytest.mark.parametrize("shape", ["square", "box", "stretched"])
def test_a_clients_crop_gets_the_networks_size(image: Pixels, shape: str) -> None:
    spec = CropSpec.model_validate({"size": 48, "shape": shape})
    assert fit_face(image, spec).shape == (48, 48, 3)


def test_landmarks_come_to_their_positions() -> None:
    spec = CropSpec(size=112, margin=1.0, align="landmarks")
    np.testing.assert_allclose(target_landmarks(spec)[2], [56.0252, 71.7366])
    angle, scale = np.deg2rad(30), 1.7
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = target_landmarks(spec) @ turn.T + [5, -3]
    matrix = similarity(moved, target_landmarks(spec))
    np.testing.assert_allclose(
        moved @ matrix[:, :2].T + matrix[:, 2], target_landmarks(spec), atol=1e-9
    )


def test_a_margin_moves_the_positions_inwards() -> None:
    wide = target_landmarks(CropSpec(size=256, margin=1.3, align="landmarks"))
    tight = target_landmarks(CropSpec(size=256, margin=1.0, align="landmarks"))
    np.testing.assert_allclose((wide - 128) * 1.3, tight - 128)


def test_an_aligned_crop_is_black_beyond_the_image(image: Pixels) -> None:
    crop = cut_face(image, face((0, 0, 30, 30)), CropSpec(size=64, align="landmarks"))
    assert crop.shape == (64, 64, 3)
    assert not crop[0, 0].any()
