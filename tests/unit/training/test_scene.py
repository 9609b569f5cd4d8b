"""Light and lens: each effect does its own thing, to both pictures of a pair alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from model_handlers.pipeline.decode import Pixels
from tests.unit.training.conftest import BOX
from training.data.scene import Scene, draw_scene


def sharpness(picture: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def test_an_empty_scene_changes_nothing(astronaut: Pixels) -> None:
    assert (Scene().apply(astronaut) == astronaut).all()


def test_focus_keeps_the_face_sharp(astronaut: Pixels) -> None:
    soft = Scene(defocus_sigma=5, focus=(223, 116, 50)).apply(astronaut)
    assert (soft[86:146, 193:253] == astronaut[86:146, 193:253]).all()
    assert sharpness(soft[300:, :]) < 0.1 * sharpness(astronaut[300:, :])


def test_haze_lifts_the_dark(astronaut: Pixels) -> None:
    hazy = Scene(haze=0.6).apply(astronaut)
    assert hazy.min() > astronaut.min()
    assert hazy.std() < astronaut.std()


def test_side_light_is_brighter_on_one_side(astronaut: Pixels) -> None:
    lit = Scene(light=1.0, light_angle=0.0).apply(astronaut).astype(int)
    change = lit - astronaut
    assert change[:, :100].mean() < 0 < change[:, -100:].mean()


@pytest.mark.parametrize("angle", [0.0, np.pi / 2])
def test_motion_blurs_along_its_direction(angle: float, astronaut: Pixels) -> None:
    moved = Scene(motion_px=9, motion_angle=angle).apply(astronaut).astype(int)
    across, down = (np.abs(np.diff(moved, axis=axis)).mean() for axis in (1, 0))
    assert across < down if angle == 0 else down < across


def test_scenes_are_drawn_by_seed_and_vary(astronaut: Pixels) -> None:
    scenes = [draw_scene(BOX, np.random.default_rng(seed)) for seed in range(200)]
    assert scenes[3] == draw_scene(BOX, np.random.default_rng(3))
    for chance, name in ((0.15, "haze"), (0.2, "defocus_sigma"), (0.25, "light")):
        share = np.mean([getattr(s, name) != 0 for s in scenes])
        assert 0.5 * chance < share < 1.6 * chance, name
    for scene in scenes[:20]:
        assert scene.apply(astronaut).shape == astronaut.shape
