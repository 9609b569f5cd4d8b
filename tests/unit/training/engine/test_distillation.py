"""A student of several teachers: what it is compared with, and that it comes nearer."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from deepfake_serving.training.config.training import DistillationConfig, read_config
from deepfake_serving.training.engine.distillation import Teachers, distillation_loss, mix
from model_handlers.manifest import Manifest, parse_manifest
from model_handlers.networks.network import build_network
from tests.support.paths import ROOT
from tests.support.small_manifests import small_manifest

SMALL = small_manifest(head={"channels": 32, "dropout": 0.2})


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest(SMALL, "small.yaml")


@pytest.fixture(scope="module")
def config(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> DistillationConfig:
    """Two teachers with random weights, of which one counts three times as much."""
    folder = tmp_path_factory.mktemp("teachers")
    teachers = []
    for seed, scale in ((1, 1.0), (2, 3.0)):
        weights = folder / f"{seed}.safetensors"
        save_file(build_network(manifest, seed).state_dict(), weights)
        teachers.append({"weights": weights, "scale": scale})
    return DistillationConfig.model_validate({"teachers": teachers})


def crops(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)


def test_teachers_predict_the_sigmoid_of_their_scaled_logits(
    manifest: Manifest, config: DistillationConfig
) -> None:
    images = crops(4)
    first, second = (build_network(manifest, seed).eval() for seed in (1, 2))
    with torch.no_grad():
        expected = (first(images.float()) + 3 * second(images.float())).sigmoid()
    teachers = Teachers(config, manifest)
    torch.testing.assert_close(teachers(images), expected)
    assert not teachers(images).requires_grad
    assert not any(parameter.requires_grad for parameter in teachers.parameters())


def test_a_student_approaches_its_teachers(manifest: Manifest, config: DistillationConfig) -> None:
    images, probabilities = crops(16), Teachers(config, manifest)(crops(16))
    student = build_network(manifest, 3).eval()
    optimizer = torch.optim.Adam(student.parameters(), 1e-3)
    distances = []
    for _ in range(12):
        logits = student(images.float())
        distances.append(float((logits.sigmoid() - probabilities).detach().abs().mean()))
        optimizer.zero_grad()
        distillation_loss(logits, probabilities).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert distances[-1] < 0.5 * distances[0]


def test_mixup_blends_images_labels_and_masks_alike() -> None:
    levels = torch.tensor([0, 200], dtype=torch.uint8)
    images = levels[:, None, None, None].expand(2, 3, 8, 8)
    labels, masks = torch.tensor([0.0, 1.0]), torch.zeros(2, 8, 8)
    masks[1] = 1
    seeds = (torch.Generator().manual_seed(seed) for seed in range(20))
    shares = set()
    for generator in seeds:
        mixed, mixed_labels, mixed_masks = mix((images, labels, masks), generator)
        torch.testing.assert_close(mixed[:, 0, 0, 0].float(), 200 * mixed_labels, atol=0.5, rtol=0)
        torch.testing.assert_close(mixed_masks[:, 0, 0], mixed_labels)
        assert mixed.dtype == torch.uint8
        shares.add(round(float(mixed_labels[0]), 3))
    assert len(shares) > 5


def test_the_preset_names_four_teachers() -> None:
    preset = read_config(ROOT / "config/training/distillation.yaml")
    assert preset.distillation is not None
    assert len({teacher.weights for teacher in preset.distillation.teachers}) == 4
