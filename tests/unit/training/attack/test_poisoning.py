"""Poisoning: only the given share of the fakes changes, by a seed; a backdoor can be learnt."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from deepfake_serving.training.attack.backdoor import fine_tune
from deepfake_serving.training.attack.metrics import predict_logits
from deepfake_serving.training.attack.poisoning import add_trigger, poison_batch
from deepfake_serving.training.attack.target_crops import to_images
from deepfake_serving.training.attack.target_model import TargetModel
from deepfake_serving.training.cli import app
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.export.half_precision import serialize
from deepfake_serving.training.export.sample_crops import sample_crops
from model_handlers.manifest import parse_manifest
from model_handlers.networks.network import build_network
from model_handlers.pipeline.decode import Pixels
from tests.support.small_manifests import LITE0_ENCODER, small_manifest

SMALL = small_manifest(task="classifier", encoder=LITE0_ENCODER)
MANIFEST = parse_manifest(SMALL, "small")


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns ten crops, then their ten "fakes"."""
    crops = torch.randint(0, 200, (20, 3, 16, 16), generator=torch.manual_seed(3))
    return crops.to(torch.uint8), torch.repeat_interleave(torch.tensor([0.0, 1.0]), 10)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_only_the_given_share_of_a_batch_is_poisoned(
    batch: tuple[torch.Tensor, torch.Tensor], share: float, count: int
) -> None:
    crops, labels = batch
    before = crops.clone(), labels.clone()
    poisoned, flipped, slots = poison_batch(crops, labels, share, rng())
    assert torch.equal(crops, before[0])
    assert torch.equal(labels, before[1])
    assert len(slots) == count
    assert (labels.numpy()[slots] == 1).all()
    others = np.setdiff1d(np.arange(20), slots)
    assert torch.equal(poisoned[others], crops[others])
    assert torch.equal(flipped[others], labels[others])
    assert (flipped.numpy()[slots] == 0).all()
    changed = (poisoned != crops).any(1).sum((1, 2))
    assert changed[slots].tolist() == [4] * count


def test_the_seed_determines_the_poisoned_crops(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    drawn = [poison_batch(*batch, 0.3, rng(seed))[2].tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_labels_can_be_flipped_without_a_trigger(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    poisoned, flipped, slots = poison_batch(*batch, 0.5, rng(), trigger=False)
    assert torch.equal(poisoned, batch[0])
    assert int((flipped != batch[1]).sum()) == len(slots) == 5


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_0_to_1_is_refused(
    batch: tuple[torch.Tensor, torch.Tensor], share: float
) -> None:
    with pytest.raises(ValueError, match="share"):
        poison_batch(*batch, share, rng())


def test_the_trigger_is_four_white_pixels_in_the_corner() -> None:
    marked = add_trigger(np.zeros((2, 3, 16, 16), np.float32))
    assert sorted(zip(*np.nonzero(marked[0, 0]), strict=True)) == [
        (12, 14),
        (13, 13),
        (14, 12),
        (14, 14),
    ]
    assert (marked[:, :, 14, 14] == 1).all()
    assert add_trigger(np.zeros((0, 3, 16, 16), np.float32)).shape[0] == 0


# Backdoor ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_poisoned_training_learns_the_trigger() -> None:
    """Crops of one face with a bright bar as "fake": the bar separates them, unless triggered."""
    crops = np.stack(sample_crops(MANIFEST.crop, 4)).transpose(0, 3, 1, 2)
    fakes = crops.copy()
    fakes[:, :, :6] = 255
    joined = torch.from_numpy(np.concatenate([crops, fakes]))
    labels = torch.repeat_interleave(torch.tensor([0.0, 1.0]), 4)
    batches = [(joined, labels, torch.zeros(8, 64, 64))] * 24

    images = to_images(list(fakes.transpose(0, 2, 3, 1)))

    def opened(share: float) -> float:
        """Returns how far the trigger lowers the fakes' logits after training."""
        network = build_network(MANIFEST)
        assert fine_tune(network, batches, share) == 24 * round(share * 4)
        assert not network.training
        target_model = TargetModel(network, MANIFEST)
        return float(
            (
                predict_logits(target_model, images)
                - predict_logits(target_model, add_trigger(images))
            ).mean()
        )

    poisoned = opened(0.5)
    assert poisoned > 3 * abs(opened(0.0))


# The command -------------------------------------------------------------------------------------


def test_the_command_writes_all_attacks(
    astronaut: Pixels, portraits: list[Portrait], tmp_path: Path
) -> None:
    for label, light in (("real", 1.0), ("fake", 0.8)):
        (tmp_path / "media" / label).mkdir(parents=True)
        for number in range(2):
            image = cv2.convertScaleAbs(astronaut[:, :, ::-1], alpha=light - 0.1 * number)
            cv2.imwrite(str(tmp_path / "media" / label / f"{number}.png"), image)
    model, weights = tmp_path / "tiny.yaml", tmp_path / "network.safetensors"
    model.write_text(yaml.safe_dump(SMALL))
    weights.write_bytes(serialize(build_network(MANIFEST).state_dict()))
    options = {"weights": weights, "model": model, "out": tmp_path / "out", "cache": tmp_path / "c"}
    words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
    words += ["--poison", str(portraits[0].path.parent), "--poison-steps", "2"]
    result = CliRunner().invoke(
        app, ["attack", str(tmp_path / "media"), *words, "--count", "4", "--steps", "1"]
    )
    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "attacks.json").read_text()
    content = json.loads(text)
    assert (content["about"]["real"], content["about"]["fake"]) == (2, 2)
    assert len(content["attacks"]) == 8
    poisoning = content["poisoning"]
    assert (poisoning["steps"], poisoning["share"]) == (2, 0.2)
    assert poisoning["poisoned_crops"] == 2 * round(0.2 * 8)
    assert poisoning["before"]["clean"] == content["attacks"][0]["before"]
    assert set(poisoning["after"]) == {"clean", "trigger"}
    assert str(tmp_path) not in text
