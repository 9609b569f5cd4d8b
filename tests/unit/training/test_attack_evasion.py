"""Evasion: fakes look more real, nothing leaves its bounds, and the victim is the whole network."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from deepfake_serving.training.attack.damage import logits, standing
from deepfake_serving.training.attack.material import Targets, as_saved, to_pictures
from deepfake_serving.training.attack.patch import learn_patch
from deepfake_serving.training.attack.pgd import BALLS, Ball, evade
from deepfake_serving.training.attack.run import evasions
from deepfake_serving.training.attack.victim import Victim, classifier
from deepfake_serving.training.export.samples import sample_crops
from model_handlers.backends.pytorch import judge
from model_handlers.manifest import Manifest, ReferenceSpec, parse_manifest
from model_handlers.networks.network import build_network
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.stopwatch import Stopwatch

MANIFEST = parse_manifest(
    {
        "name": "tiny",
        "version": "1.0",
        "task": "classifier",
        "crop": {"size": 64},
        "encoder": {"architecture": "tf_efficientnet_lite0"},
    },
    "tiny",
)
SIDE = 64 // 4


def victim_of(manifest: Manifest) -> Victim:
    network = build_network(manifest)
    with torch.no_grad():
        network.head.linear.weight.mul_(30)
    return Victim(network, manifest).eval()


@pytest.fixture(scope="module")
def victim() -> Victim:
    return victim_of(MANIFEST)


@pytest.fixture(scope="module")
def art(victim: Victim) -> Any:
    return classifier(victim)


@pytest.fixture(scope="module")
def found() -> Targets:
    """Six crops of one face; which of them are "fake" nobody knows better than this test."""
    pictures = to_pictures(sample_crops(MANIFEST.crop, 6))
    return Targets(pictures, np.array([False, False, True, True, True, True]), np.full(6, 120.0))


# The victim --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, ReferenceSpec(face_px=24)])
def test_the_victim_judges_as_the_service(reference: ReferenceSpec | None, found: Targets) -> None:
    manifest = MANIFEST.model_copy(update={"reference": reference})
    victim = victim_of(manifest)
    judging = judge(manifest, victim.network.state_dict(), torch.device("cpu"))
    served = Classifier(manifest, judging)
    crops = list(np.round(found.pictures * 255).astype(np.uint8).transpose(0, 2, 3, 1))
    expected = served.logits(crops, Stopwatch())
    np.testing.assert_allclose(logits(victim, found.pictures), expected, atol=2e-3)


def test_the_second_look_has_a_gradient(found: Targets) -> None:
    manifest = MANIFEST.model_copy(update={"reference": ReferenceSpec(face_px=24)})
    crops = torch.from_numpy(found.pictures).requires_grad_()
    both, alone = (victim_of(m)(crops)[:, 1] for m in (manifest, MANIFEST))
    gradients = [torch.autograd.grad(logits.sum(), crops)[0] for logits in (both, alone)]
    assert (gradients[0] - gradients[1]).abs().max() > 0


# PGD ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: ball.label)
def test_pgd_makes_fakes_look_real_and_stays_within_epsilon(
    victim: Victim, art: Any, found: Targets, ball: Ball
) -> None:
    fakes = found.pictures[found.fake]
    changed = evade(art, fakes, ball, steps=4)
    assert changed.min() >= 0
    assert changed.max() <= 1
    norms = ball.norms(changed - fakes)
    assert (norms <= ball.epsilon * (1 + 1e-4) + 1e-6).all()
    assert (norms > 0).all()
    assert (logits(victim, changed) < logits(victim, fakes)).all()


def test_norms_are_those_of_the_books() -> None:
    changes = np.zeros((1, 3, 2, 2), np.float32)
    changes[0, 0, 0] = (0.3, -0.4)
    norms = [float(Ball(order, 1, "").norms(changes)[0]) for order in (np.inf, 2, 1)]
    assert norms == pytest.approx([0.4, 0.5, 0.7])


def test_the_attack_leaves_the_network_as_it_was(art: Any, victim: Victim, found: Targets) -> None:
    before = {name: t.clone() for name, t in victim.state_dict().items()}
    evade(art, found.pictures[:1], BALLS[0], steps=1)
    assert all(torch.equal(before[name], t) for name, t in victim.state_dict().items())


# The patch ---------------------------------------------------------------------------------------


def test_a_patch_stays_in_its_area_and_fits_other_fakes(
    victim: Victim, art: Any, found: Targets
) -> None:
    patch = learn_patch(art, found.pictures[2:4], steps=30)
    others = found.pictures[4:]
    changed = patch.put(others)
    mask = np.zeros((64, 64), bool)
    mask[patch.top : patch.top + SIDE, patch.left : patch.left + SIDE] = True
    assert patch.side == SIDE
    assert (changed[:, :, ~mask] == others[:, :, ~mask]).all()
    moved = (changed != others).any(1)[0]
    assert moved.sum() == pytest.approx(patch.area(64) * 64**2, rel=0.1)
    unlearnt = learn_patch(art, found.pictures[2:4], steps=1).put(others)
    assert logits(victim, changed).mean() < logits(victim, unlearnt).mean()


# Figures -----------------------------------------------------------------------------------------


def test_standing_counts_by_calibration_and_threshold() -> None:
    fakes = Targets(np.zeros((2, 3, 8, 8), np.float32), np.array([True, True]), np.full(2, 99.0))
    found = standing(np.array([-1.0, 0.0]), np.array([-0.5, 2.0]), fakes, MANIFEST)
    assert found.auc == pytest.approx(0.75)
    assert found.fakes_called_fake == pytest.approx(0.5)
    wary = MANIFEST.calibration.model_copy(update={"certain_from_px": 990.0})
    small = MANIFEST.model_copy(update={"calibration": wary})
    assert standing(np.zeros(2), np.array([-0.5, 2.0]), fakes, small).fakes_called_fake == 0


def test_every_attack_gets_a_row_that_knows_its_crops(victim: Victim, found: Targets) -> None:
    rows = list(evasions(victim, MANIFEST, found, steps=1))
    assert [row["attack"] for row in rows] == ["PGD"] * len(BALLS) + ["patch"]
    assert [row["strength"] for row in rows[:3]] == ["L∞, 2/255", "L∞, 4/255", "L∞, 8/255"]
    assert {(row["real"], row["fake"]) for row in rows[:-1]} == {(2, 4)}
    assert (rows[-1]["real"], rows[-1]["fake"]) == (2, 2)
    for row in rows[:-1]:
        assert row["after"]["auc"] <= row["before"]["auc"]


def test_saved_pictures_have_256_levels(found: Targets) -> None:
    nudged = dataclasses.replace(found, pictures=found.pictures * np.float32(0.999))
    saved = as_saved(nudged.pictures) * 255
    np.testing.assert_allclose(saved, np.round(saved), atol=1e-4)
    np.testing.assert_allclose(as_saved(found.pictures), found.pictures, atol=1e-6)
