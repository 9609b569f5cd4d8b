"""Compression and the other steps of the augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from deepfake_serving.training.data.augmentation import Augmentation, draw_augmentation
from deepfake_serving.training.data.codecs import h264, jpeg
from deepfake_serving.training.data.degradation import degrade
from model_handlers.pipeline.decode import Pixels


def error(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def test_h264_loses_more_at_a_higher_crf(astronaut: Pixels) -> None:
    fine, coarse = h264(astronaut, 15), h264(astronaut, 40)
    assert fine.shape == astronaut.shape
    assert 0 < error(fine, astronaut) < error(coarse, astronaut) < 20


def test_predicted_frames_differ_from_intra_frames(astronaut: Pixels) -> None:
    intra, predicted = h264(astronaut, 34), h264(astronaut, 34, preceding_frames=2)
    assert (intra != predicted).any()
    assert error(predicted, astronaut) < 12, "the result must be the last frame, not a shifted one"


def test_h264_keeps_odd_image_sizes(astronaut: Pixels) -> None:
    odd = np.ascontiguousarray(astronaut[:201, :155])
    assert h264(odd, 25).shape == odd.shape


def test_jpeg_keeps_the_channel_order(astronaut: Pixels) -> None:
    assert error(jpeg(astronaut, 95), astronaut) < 3


def test_degraded_images_vary_with_the_seed(astronaut: Pixels) -> None:
    seen = {degrade(astronaut, 110, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert len(seen) > 12


def test_an_augmentation_is_deterministic(astronaut: Pixels) -> None:
    for seed in range(25):
        channel = draw_augmentation(110, np.random.default_rng(seed))
        once, twice = channel.apply(astronaut), channel.apply(astronaut.copy())
        assert (once == twice).all(), channel
        assert once.dtype == np.uint8
        assert once.shape[0] == max(16, round(512 * channel.scale))


def test_the_default_augmentation_changes_nothing(astronaut: Pixels) -> None:
    assert (Augmentation().apply(astronaut) == astronaut).all()


@pytest.mark.parametrize(
    "step",
    [
        {"scale": 0.5},
        {"gamma": 1.3},
        {"contrast": 0.8},
        {"saturation": 0.0},
        {"blur_sigma": 1.0},
        {"sharpen": 0.8},
        {"noise_sigma": 4.0},
        {"first_jpeg": 70},
        {"crf": 30},
        {"last_jpeg": 50},
    ],
)
def test_every_step_changes_the_image(step: dict[str, float], astronaut: Pixels) -> None:
    changed = Augmentation(**step).apply(astronaut)  # type: ignore[arg-type]
    assert changed.shape != astronaut.shape or (changed != astronaut).any()


def test_half_of_the_augmentations_use_h264() -> None:
    drawn = [draw_augmentation(200, np.random.default_rng(seed)) for seed in range(400)]
    assert 0.4 < np.mean([c.crf > 0 for c in drawn]) < 0.6
    assert 0.25 < np.mean([c.last_jpeg > 0 for c in drawn]) < 0.42
    assert all(65 < 200 * c.scale < 330 for c in drawn)
