"""Blends: the real image is unchanged, and the mask marks the differences of the fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from deepfake_serving.training.data.blending import (
    Blend,
    cross_blend,
    self_blend,
    warp_to_landmarks,
)
from deepfake_serving.training.data.masks import five_points
from deepfake_serving.training.data.portraits import Portrait
from tests.unit.training.conftest import FIVE

Make = Callable[[Portrait, Portrait, int], Blend]


def blend_itself(portrait: Portrait, _: Portrait, seed: int) -> Blend:
    return self_blend(portrait.pixels(), portrait, np.random.default_rng(seed))


def blend_another(portrait: Portrait, other: Portrait, seed: int) -> Blend:
    rng = np.random.default_rng(seed)
    return cross_blend(portrait.pixels(), portrait, other.pixels(), other, rng)


@pytest.mark.parametrize("blend_of", [blend_itself, blend_another])
@pytest.mark.parametrize("seed", range(12))
def test_pixels_outside_the_mask_do_not_change(
    blend_of: Make, seed: int, portraits: list[Portrait]
) -> None:
    portrait = portraits[seed % 8]
    blend = blend_of(portrait, portraits[(seed + 3) % 8], seed)
    assert (blend.real == portrait.pixels()).all(), "the real image was changed"
    outside = blend.mask == 0
    assert outside.mean() > 0.3
    assert (blend.fake[outside] == blend.real[outside]).all()
    difference = np.abs(blend.fake.astype(int) - blend.real).max(axis=2)
    assert difference[~outside].mean() > 0.5, "the fake is its own original"
    assert 0.25 <= blend.mask.max() <= 1


@pytest.mark.parametrize("blend_of", [blend_itself, blend_another])
def test_the_seed_determines_the_blend(blend_of: Make, portraits: list[Portrait]) -> None:
    first, again, other = (blend_of(portraits[0], portraits[5], seed) for seed in (4, 4, 5))
    assert (first.fake == again.fake).all()
    assert (first.fake != other.fake).any()


def test_landmarks_of_the_donor_are_warped_onto_the_target(portraits: list[Portrait]) -> None:
    """A dot on each of the donor's five points moves to those of the smaller target."""
    target, donor = portraits[0], portraits[6]
    goal = five_points(target.points)
    for position, point in enumerate(five_points(donor.points)):
        dotted = np.zeros_like(donor.pixels())
        x, y = (round(float(v)) for v in point)
        dotted[y - 2 : y + 3, x - 2 : x + 3] = 255
        warped, _ = warp_to_landmarks(
            dotted, five_points(donor.points), goal, target.pixels().shape
        )
        ys, xs = np.nonzero(warped[:, :, 0] > 100)
        np.testing.assert_allclose([xs.mean(), ys.mean()], goal[position], atol=8)


def test_colours_of_the_donor_are_matched(portraits: list[Portrait]) -> None:
    target, donor = portraits[0], portraits[7]
    blends = [blend_another(target, donor, seed) for seed in range(8)]
    whole = [b for b in blends if b.mask.max() == 1 and (b.mask > 0.5).mean() > 0.02]
    assert whole
    for blend in whole:
        inside = blend.mask > 0.5
        real, fake = (p[inside].astype(float).mean() for p in (blend.real, blend.fake))
        assert abs(real - fake) < 25, "colours were not matched"


def test_five_landmarks_are_enough(portraits: list[Portrait]) -> None:
    five = np.array(FIVE - np.array([60, 0], np.float32))
    some = [replace(p, points=five * np.float32(0.8)) for p in portraits[:1]]
    blend = blend_another(some[0], some[0], 3)
    assert (blend.fake != blend.real).any()
