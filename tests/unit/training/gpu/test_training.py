"""Faces in memory, batches and a whole run, with the same code on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from deepfake_serving.training.config.mixture import MixtureConfig, SourceConfig
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.gpu import train
from deepfake_serving.training.gpu.autoencoder import Autoencoder, Bank
from deepfake_serving.training.gpu.batches import BatchSampler, PairBatch
from deepfake_serving.training.gpu.blending import Blender
from deepfake_serving.training.gpu.canvas import Canvases, write_canvases
from deepfake_serving.training.gpu.masks import MaskShapes, crop_points
from deepfake_serving.training.gpu.run import run
from deepfake_serving.training.gpu.store import FaceStore, read_meshes
from deepfake_serving.training.gpu.train import TimedSchedule
from deepfake_serving.training.sources.mixture import CropPair
from deepfake_serving.training.sources.pack import Pack
from deepfake_serving.training.sources.probe import probe_auc
from deepfake_serving.training.sources.transport import split_pack
from tests.support.packs import build_examples, build_pack

CPU = torch.device("cpu")
PAIRS = SourceConfig(mode="pairs", share=1, reals={"made": 1})
CLASSES = SourceConfig(mode="classes", share=1, reals={"made": 1}, fakes={"whole": 1})
BLENDS = SourceConfig(mode="blends", share=2, reals={"made": 1})
MAX_AUC = 0.55 + 2 * (6 * 400) ** -0.5
"""With two standard errors of 400 pairs without a difference (Mann and Whitney 1947)."""


@pytest.fixture(scope="module")
def packs(portraits: list[Portrait], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("packs")
    build_pack(root / "made", build_examples(portraits))
    build_pack(root / "whole", [e for e in build_examples(portraits) if e.fake], whole=True)
    return root


@pytest.fixture(scope="module")
def canvases(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes the pack `made` in several parts, as for transport."""
    root = tmp_path_factory.mktemp("canvases")
    parts = root.with_name("parts")
    assert split_pack(packs / "made", parts, 100_000) > 1
    for part in (*sorted(parts.iterdir()), packs / "whole"):
        write_canvases(part, root / part.name, 1)
    return root


@pytest.fixture(scope="module")
def store(canvases: Path) -> FaceStore:
    return FaceStore.read(canvases, CPU)


@pytest.fixture(scope="module")
def shapes(canvases: Path) -> MaskShapes:
    return MaskShapes.from_meshes(read_meshes(canvases), CPU)


def _sampler(store: FaceStore, shapes: MaskShapes, *sources: SourceConfig) -> BatchSampler:
    named = {f"{number}": source for number, source in enumerate(sources)}
    mixture = MixtureConfig(sources=named)
    return BatchSampler(mixture, store, Blender(store, shapes, Bank(CPU)), 96)


def test_parts_of_a_pack_are_loaded_as_one(packs: Path, store: FaceStore) -> None:
    whole, members = Pack(packs / "made"), store.packs["made"]
    assert len(members.reals) == len(members.fakes) == len(members.originals) == len(whole) // 2
    assert not store.fake[members.originals].any()
    assert store.fake[members.derived].all()
    for index, start in enumerate(members.starts.tolist()):
        original, fake = members.originals[index], members.derived[start]
        assert store.identity[original] == store.identity[fake]


def test_a_fake_is_compressed_like_its_original(canvases: Path) -> None:
    for path in canvases.glob("made-*"):
        part = Canvases.read(path)
        fakes = np.flatnonzero(part.original >= 0)
        copied = part.compressed >= 0
        np.testing.assert_array_equal(copied[fakes], copied[part.original[fakes]])


def test_compressed_copies_are_used_if_available(store: FaceStore, canvases: Path) -> None:
    copied = [
        bool(row >= 0) for p in sorted(canvases.iterdir()) for row in Canvases.read(p).compressed
    ]
    assert any(copied)
    numbers = torch.arange(len(store))
    plain, coded = (
        store.images(numbers, torch.full((len(store),), flag)) for flag in (False, True)
    )
    changed = [bool((a != b).any()) for a, b in zip(plain, coded, strict=True)]
    assert changed == copied


def test_masks_lie_on_the_face_in_mirrored_crops_too(store: FaceStore, shapes: MaskShapes) -> None:
    torch.manual_seed(0)
    upright = store.points[:, 0, 0] < store.points[:, 1, 0]  # others are mirrored in the files
    five = store.points[upright][:8]
    mirror = torch.tensor([[[-1.0, 0.0, 288.0], [0.0, 1.0, 0.0]]]).expand(len(five), -1, -1)
    mirrored = crop_points(mirror, five)
    assert (mirrored[:, 0, 0] < mirrored[:, 1, 0]).all()
    soft, _ = shapes.draw(mirrored, 288)
    assert (soft.amax((1, 2, 3)) > 0.5).all()
    plain = shapes.ellipses(five, 288)
    torch.testing.assert_close(
        shapes.ellipses(mirrored, 288).flip(-1).mean((1, 2, 3)),
        plain.mean((1, 2, 3)),
        atol=0.02,
        rtol=0,
    )


def test_a_batch_has_the_configured_sources(store: FaceStore, shapes: MaskShapes) -> None:
    torch.manual_seed(0)
    batch = _sampler(store, shapes, PAIRS, CLASSES, BLENDS).draw(40)
    assert batch.crops.shape == (40, 2, 3, 96, 96)
    assert batch.crops.min() >= 0
    assert batch.crops.max() <= 255
    counts = torch.bincount(batch.sources, minlength=3)
    assert counts[2] > counts[0]
    assert (batch.masks[batch.sources == 1] == 1).all()
    assert (batch.masks.amax((1, 2)) > 0.2).all()


def _pairs(batch: PairBatch) -> list[CropPair]:
    crops = batch.crops.permute(0, 1, 3, 4, 2).numpy().astype(np.uint8)
    none = np.zeros(crops.shape[2:4], np.float32)
    return [CropPair(real, fake, none, none, "") for real, fake in crops]


@pytest.mark.parametrize("source", [PAIRS, CLASSES, BLENDS], ids=["pairs", "classes", "blends"])
def test_image_statistics_do_not_separate_the_classes(
    store: FaceStore, shapes: MaskShapes, source: SourceConfig
) -> None:
    torch.manual_seed(3)
    sampler = _sampler(store, shapes, source)
    # Untrained autoencoders return noise, which is trivially separable.
    sampler.blender.rendered_share = sampler.blender.whole_share = 0.0
    drawn = [pair for _ in range(8) for pair in _pairs(sampler.draw(50))]
    assert probe_auc(drawn) < MAX_AUC


@pytest.mark.parametrize("upsampling", ["nearest", "shuffle", "transposed"])
def test_an_autoencoder_keeps_the_size(upsampling: str) -> None:
    network = Autoencoder(3, 8, upsampling)  # type: ignore[arg-type]
    assert network(torch.rand(1, 3, 96, 112) * 255).shape == (1, 3, 96, 112)


def test_autoencoders_learn(store: FaceStore, shapes: MaskShapes) -> None:
    torch.manual_seed(0)
    sampler = _sampler(store, shapes, BLENDS)
    faces = sampler.aligned_reals(2)[..., ::2, ::2]
    errors = [float(sampler.blender.bank.train_step(faces)) for _ in range(15)]
    assert min(errors[-3:]) < 0.8 * errors[0]


def test_the_learning_rate_follows_elapsed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    schedule = TimedSchedule(10, warmup=0.1)
    assert schedule.progress() == 0
    now = 105.5
    assert schedule.progress() == pytest.approx(0.55)
    assert schedule.factor(0.05) == pytest.approx(0.5)
    assert schedule.factor(0.1) == pytest.approx(1)
    assert schedule.factor(0.55) == pytest.approx(0.5)
    now = 120
    assert schedule.progress() == 1
    assert schedule.factor(1) == pytest.approx(0)


def test_a_run_saves_weights_and_can_leave_out_a_pack(
    canvases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "BANK_FACES", 2)
    spec = {
        "model": "config/models/detector.yaml",
        "initial": "scratch",
        "batch_size": 4,
        "mixture": {
            "sources": {
                "pairs": {"mode": "pairs", "share": 1, "reals": {"made": 1}},
                "classes": {
                    **{"mode": "classes", "share": 1, "reals": {"made": 1}},
                    "fakes": {"whole": 1},
                },
            }
        },
    }
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec))
    run(canvases, path, tmp_path / "main", 1e-4, 0, ["whole"], 1e-4)
    saved = load_file(tmp_path / "main" / "main-100.safetensors")
    assert saved["encoder.conv_head.weight"].dtype == torch.float16
    assert saved["srm.weight"].dtype == torch.float32
    log = (tmp_path / "main" / "log.jsonl").read_text().splitlines()
    assert set(json.loads(log[-1])["sources"]) == {"pairs", "classes"}
    log = (tmp_path / "without-whole" / "log.jsonl").read_text().splitlines()
    assert set(json.loads(log[-1])["sources"]) == {"pairs"}


def test_a_spec_without_a_mixture_is_refused(canvases: Path, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("model: config/models/detector.yaml\n")
    with pytest.raises(ValueError, match="mixture"):
        run(canvases, path, tmp_path / "main", 1, 0)


def test_teachers_are_refused(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    teacher = {"teachers": [{"weights": "teacher.safetensors"}]}
    spec.write_text(yaml.safe_dump({"model": "m.yaml", "distillation": teacher}))
    with pytest.raises(ValueError, match="distillation"):
        run(tmp_path, spec, tmp_path / "out", 1, 1)
