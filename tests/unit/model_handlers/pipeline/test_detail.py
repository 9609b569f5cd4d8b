"""The detail measure: blur and haze lower it, noise hardly raises it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detail import detail


@pytest.fixture(scope="module")
def crop(astronaut: Pixels) -> Pixels:
    return crop_face(astronaut, (177, 58, 270, 175), CropSpec())


def test_blur_reduces_detail(crop: Pixels) -> None:
    slightly, more, most = (
        detail(cv2.GaussianBlur(crop, (0, 0), sigma).astype(np.uint8)) for sigma in (1, 2, 4)
    )
    assert detail(crop) > slightly > more > most
    assert most < 0.25 * detail(crop)


def test_haze_reduces_detail(crop: Pixels) -> None:
    hazy = cv2.convertScaleAbs(crop, alpha=0.4, beta=140).astype(np.uint8)
    assert detail(hazy) == pytest.approx(0.4 * detail(crop), rel=0.1)


def test_faint_noise_is_not_counted_as_detail(crop: Pixels) -> None:
    soft = cv2.GaussianBlur(crop, (0, 0), 4)
    grain = np.random.default_rng(0).normal(0, 2, crop.shape)
    noisy = np.clip(soft + grain, 0, 255).astype(np.uint8)
    assert detail(noisy) < 0.4 * detail(crop)


def test_pixels_around_a_face_have_no_influence(crop: Pixels) -> None:
    framed = crop.copy()
    framed[:30], framed[-30:], framed[:, :30], framed[:, -30:] = 0, 255, 0, 255
    assert detail(framed) == detail(crop)


def test_a_uniform_crop_has_no_detail() -> None:
    assert detail(np.full((224, 224, 3), 90, np.uint8)) == pytest.approx(0, abs=1e-3)
