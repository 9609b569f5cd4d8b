"""Evasion attacks lower the logits of fakes, within their limits, on the whole model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from deepfake_serving.training.attack.metrics import attack_metrics, predict_logits
from deepfake_serving.training.attack.patch import train_patch
from deepfake_serving.training.attack.pgd import BALLS, Ball, perturb
from deepfake_serving.training.attack.run import evasion_rows
from deepfake_serving.training.attack.target_crops import TargetCrops, quantize, to_images
from deepfake_serving.training.attack.target_model import TargetModel, art_classifier
from deepfake_serving.training.export.sample_crops import sample_crops
from model_handlers.backends.pytorch import build_classifier
from model_handlers.manifest import Manifest, ReferenceSpec, parse_manifest
from model_handlers.networks.network import build_network
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.stopwatch import Stopwatch
from tests.support.small_manifests import small_manifest

MANIFEST = parse_manifest(small_manifest(task="classifier"), "small")
SIDE = 64 // 4


def target_model_of(manifest: Manifest) -> TargetModel:
    network = build_network(manifest)
    with torch.no_grad():
        network.head.linear.weight.mul_(30)
    return TargetModel(network, manifest).eval()


@pytest.fixture(scope="module")
def target_model() -> TargetModel:
    return target_model_of(MANIFEST)


@pytest.fixture(scope="module")
def art(target_model: TargetModel) -> Any:
    return art_classifier(target_model)


@pytest.fixture(scope="module")
def found() -> TargetCrops:
    """Returns six crops of one face with arbitrary labels."""
    images = to_images(sample_crops(MANIFEST.crop, 6))
    return TargetCrops(images, np.array([False, False, True, True, True, True]), np.full(6, 120.0))


# The target model --------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, ReferenceSpec(face_px=24)])
def test_the_target_model_predicts_like_the_service(
    reference: ReferenceSpec | None, found: TargetCrops
) -> None:
    manifest = MANIFEST.model_copy(update={"reference": reference})
    target_model = target_model_of(manifest)
    classifying = build_classifier(manifest, target_model.network.state_dict(), torch.device("cpu"))
    served = Classifier(manifest, classifying)
    crops = list(np.round(found.images * 255).astype(np.uint8).transpose(0, 2, 3, 1))
    expected = served.logits(crops, Stopwatch())
    np.testing.assert_allclose(predict_logits(target_model, found.images), expected, atol=2e-3)


def test_the_reference_prediction_has_a_gradient(found: TargetCrops) -> None:
    manifest = MANIFEST.model_copy(update={"reference": ReferenceSpec(face_px=24)})
    crops = torch.from_numpy(found.images).requires_grad_()
    both, alone = (target_model_of(m)(crops)[:, 1] for m in (manifest, MANIFEST))
    gradients = [torch.autograd.grad(logits.sum(), crops)[0] for logits in (both, alone)]
    assert (gradients[0] - gradients[1]).abs().max() > 0


# PGD ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: ball.label)
def test_pgd_makes_fakes_look_real_and_stays_within_epsilon(
    target_model: TargetModel, art: Any, found: TargetCrops, ball: Ball
) -> None:
    fakes = found.images[found.fake]
    changed = perturb(art, fakes, ball, steps=4)
    assert changed.min() >= 0
    assert changed.max() <= 1
    norms = ball.norms(changed - fakes)
    assert (norms <= ball.epsilon * (1 + 1e-4) + 1e-6).all()
    assert (norms > 0).all()
    assert (predict_logits(target_model, changed) < predict_logits(target_model, fakes)).all()


def test_norms_match_their_definitions() -> None:
    changes = np.zeros((1, 3, 2, 2), np.float32)
    changes[0, 0, 0] = (0.3, -0.4)
    norms = [float(Ball(order, 1, "").norms(changes)[0]) for order in (np.inf, 2, 1)]
    assert norms == pytest.approx([0.4, 0.5, 0.7])


def test_the_attack_does_not_change_the_network(
    art: Any, target_model: TargetModel, found: TargetCrops
) -> None:
    before = {name: t.clone() for name, t in target_model.state_dict().items()}
    perturb(art, found.images[:1], BALLS[0], steps=1)
    assert all(torch.equal(before[name], t) for name, t in target_model.state_dict().items())


# The patch ---------------------------------------------------------------------------------------


def test_a_patch_stays_in_its_area_and_transfers_to_other_fakes(
    target_model: TargetModel, art: Any, found: TargetCrops
) -> None:
    patch = train_patch(art, found.images[2:4], steps=30)
    others = found.images[4:]
    changed = patch.apply(others)
    mask = np.zeros((64, 64), bool)
    mask[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE] = True
    assert patch.side == SIDE
    assert (changed[:, :, ~mask] == others[:, :, ~mask]).all()
    translated = (changed != others).any(1)[0]
    assert translated.sum() == pytest.approx(patch.area(64) * 64**2, rel=0.1)
    unlearnt = train_patch(art, found.images[2:4], steps=1).apply(others)
    assert (
        predict_logits(target_model, changed).mean() < predict_logits(target_model, unlearnt).mean()
    )


# Metrics -----------------------------------------------------------------------------------------


def test_attack_metrics_use_calibration_and_thresholds() -> None:
    fakes = TargetCrops(
        np.zeros((2, 3, 8, 8), np.float32), np.array([True, True]), np.full(2, 99.0)
    )
    found = attack_metrics(np.array([-1.0, 0.0]), np.array([-0.5, 2.0]), fakes, MANIFEST)
    assert found.auc == pytest.approx(0.75)
    assert found.fakes_called_fake == pytest.approx(0.5)
    cautious = MANIFEST.calibration.model_copy(update={"certain_from_px": 990.0})
    small = MANIFEST.model_copy(update={"calibration": cautious})
    assert attack_metrics(np.zeros(2), np.array([-0.5, 2.0]), fakes, small).fakes_called_fake == 0


def test_every_attack_has_a_row_with_its_number_of_crops(
    target_model: TargetModel, found: TargetCrops
) -> None:
    rows = list(evasion_rows(target_model, MANIFEST, found, steps=1))
    assert [row["attack"] for row in rows] == ["PGD"] * len(BALLS) + ["patch"]
    assert [row["strength"] for row in rows[:3]] == ["L∞, 2/255", "L∞, 4/255", "L∞, 8/255"]
    assert {(row["real"], row["fake"]) for row in rows[:-1]} == {(2, 4)}
    assert (rows[-1]["real"], rows[-1]["fake"]) == (2, 2)
    for row in rows[:-1]:
        assert row["after"]["auc"] <= row["before"]["auc"]


def test_saved_images_have_256_levels(found: TargetCrops) -> None:
    nudged = dataclasses.replace(found, images=found.images * np.float32(0.999))
    saved = quantize(nudged.images) * 255
    np.testing.assert_allclose(saved, np.round(saved), atol=1e-4)
    np.testing.assert_allclose(quantize(found.images), found.images, atol=1e-6)
