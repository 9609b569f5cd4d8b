"""Masks: inside the face, soft, in 0..1, of every shape, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from deepfake_serving.training.data.masks import SHAPES, draw_mask, five_points, hard_mask
from tests.unit.training.conftest import BOX, FIVE, mesh

SIZE = (320, 400)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_mask_shape_lies_on_the_face(shape: str) -> None:
    mask = hard_mask(mesh(), SIZE, shape)
    assert set(np.unique(mask)) == {0.0, 1.0}
    ys, xs = np.nonzero(mask)
    x1, y1, x2, y2 = BOX
    assert x1 < xs.mean() < x2
    assert y1 < ys.mean() < y2
    assert 20 < len(xs) < 2.5 * (x2 - x1) * (y2 - y1)


def test_the_mask_shapes_differ() -> None:
    masks = {hard_mask(mesh(), SIZE, shape).tobytes() for shape in SHAPES}
    assert len(masks) == len(SHAPES) == 8


@pytest.mark.parametrize("points", [mesh(), FIVE], ids=["468 points", "5 points"])
def test_a_drawn_mask_is_soft_limited_and_seeded(points: np.ndarray) -> None:  # type: ignore[type-arg]
    for seed in range(30):
        mask = draw_mask(points, SIZE, np.random.default_rng(seed))
        assert mask.shape == SIZE
        assert mask.dtype == np.float32
        assert mask.min() >= 0
        assert mask.max() == pytest.approx(1, abs=1e-3)
        assert mask[-20:].max() == 0, "reaches the lower edge, far below the face"
        assert (draw_mask(points, SIZE, np.random.default_rng(seed)) == mask).all()
    assert (draw_mask(points, SIZE, np.random.default_rng(99)) != mask).any()


def test_five_points_of_a_mesh_are_eyes_nose_and_mouth() -> None:
    np.testing.assert_allclose(five_points(mesh()), FIVE, atol=1e-3)
    assert five_points(FIVE) is FIVE
