"""Gallery images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.verdict import Label
from deepfake_serving.video.decoding.pixels import Pixels
from deepfake_serving.video.gallery.images import face_crop, film_strip
from tests.unit.video.conftest import HEAD


def decoded(data: bytes) -> Pixels:
    """RGB."""
    assert data[:3] == b"\xff\xd8\xff"
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_a_face_crop_shows_the_face_at_any_size(astronaut: Pixels, scale: float) -> None:
    pixels = cv2.resize(astronaut, None, fx=scale, fy=scale).astype(np.uint8)
    image = decoded(face_crop(pixels, [edge * scale for edge in HEAD]))
    assert image.shape == (256, 256, 3)
    x1, y1, x2, y2 = HEAD
    side = (y2 - y1) * 1.6
    x, y = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    shown = cv2.resize(astronaut[y : y + round(side), x : x + round(side)], (256, 256))
    assert np.abs(image.astype(int) - shown).mean() < 9


def test_pixels_outside_the_frame_are_black(astronaut: Pixels) -> None:
    image = decoded(face_crop(astronaut, [-60, -60, 60, 60]))
    assert image[:100, :100].max() < 12
    assert image[160:, 160:].mean() > 40


@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    corner=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
    sides=st.tuples(st.floats(0, 5000), st.floats(0, 5000)),
)
def test_any_box_gives_a_crop(
    size: tuple[int, int], corner: tuple[float, float], sides: tuple[float, float]
) -> None:
    (x, y), (w, h) = corner, sides
    pixels = np.full((*size, 3), 255, np.uint8)
    assert decoded(face_crop(pixels, [x, y, x + w, y + h])).shape == (256, 256, 3)


def test_a_film_strip_shows_six_frames_with_borders_by_label() -> None:
    labels: list[Label] = ["real", "fake", "suspicious", "no_face"]
    frames = [(np.full((90, 160, 3), 20 * i, np.uint8), labels[i % 4]) for i in range(11)]
    row = decoded(film_strip(frames))
    assert row.shape == (98, 6 * 172, 3)
    shown = [int(row[49, 172 * i + 84].mean()) for i in range(6)]
    assert shown == pytest.approx([0, 40, 80, 120, 160, 200], abs=4)
    red, green, blue = (int(v) for v in row[1, 60])
    assert green > 120
    assert red < 60
    assert blue < 160
    assert len({tuple(int(v) // 40 for v in row[1, 172 * i + 60]) for i in (0, 1)}) == 2


def test_a_film_strip_of_one_frame_or_of_several_sizes_is_one_row() -> None:
    one = (np.zeros((90, 160, 3), np.uint8), "real")
    other = (np.zeros((160, 90, 3), np.uint8), "no_face")
    assert decoded(film_strip([one])).shape == (98, 172, 3)  # type: ignore[list-item]
    assert decoded(film_strip([one, other])).shape[0] == 98  # type: ignore[list-item]
