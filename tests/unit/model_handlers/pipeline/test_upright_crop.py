"""Crops of faces that lean: turned upright about their centre, by quarter turns where those do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face, upright_crop
from model_handlers.pipeline.decode import Pixels

SPEC = CropSpec(size=96, margin=1.3)
BOX = (180.0, 70.0, 270.0, 160.0)
CENTRE = (224.5, 114.5)
"""Centre of the box, in positions of pixels, whose centres are at whole numbers."""


@pytest.mark.parametrize(
    ("roll", "turns"), [(20, 0), (-20, 0), (70, 1), (110, 1), (-110, -1), (160, 2), (-180, 2)]
)
def test_within_twenty_degrees_a_face_is_turned_by_quarters_alone(
    astronaut: Pixels, roll: float, turns: int
) -> None:
    expected = np.rot90(crop_face(astronaut, BOX, SPEC), turns)
    np.testing.assert_array_equal(upright_crop(astronaut, BOX, roll, SPEC), expected)


@pytest.mark.parametrize("roll", [20.5, -20.5, 45, 69.5, 135, -140])
def test_beyond_that_it_is_the_crop_of_the_turned_image(astronaut: Pixels, roll: float) -> None:
    smooth = cv2.GaussianBlur(astronaut, (0, 0), 4).astype(np.uint8)
    matrix = cv2.getRotationMatrix2D(CENTRE, roll, 1.0)
    size = smooth.shape[1], smooth.shape[0]
    turned = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_CUBIC).astype(np.uint8)
    found = upright_crop(smooth, BOX, roll, SPEC).astype(int)
    assert np.abs(found - crop_face(turned, BOX, SPEC)).mean() < 3
    unturned = np.rot90(crop_face(smooth, BOX, SPEC), round(roll / 90))
    assert np.abs(found - unturned).mean() > 10


def test_a_leaning_face_at_the_border_has_no_black_corners() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    assert (upright_crop(white, (0, 0, 60, 60), 45, SPEC) == 255).all()
