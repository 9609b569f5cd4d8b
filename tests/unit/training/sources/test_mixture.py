"""Pairs of a mixture: reproducible, from the right sources, without shortcuts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from deepfake_serving.training.config.augmentation import AugmentationConfig
from deepfake_serving.training.config.mixture import MixtureConfig, SourceConfig, without
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.sources.loader import MixtureLoader, draw_windows
from deepfake_serving.training.sources.mixture import CropPair, Mixture, read_packs
from deepfake_serving.training.sources.pack import Pack
from deepfake_serving.training.sources.probe import probe_auc
from tests.support.packs import build_examples, build_pack


@pytest.fixture(scope="module")
def packs(portraits: list[Portrait], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes packs: `same` quality, `unequal` with low-quality fakes, `whole` with fakes only."""
    root = tmp_path_factory.mktemp("packs")
    build_pack(root / "same", build_examples(portraits))
    build_pack(root / "unequal", build_examples(portraits, 95, 40))
    build_pack(root / "whole", [e for e in build_examples(portraits) if e.fake], whole=True)
    return root


def _mixture(packs: Path, source: SourceConfig, seed: int = 0, window: int = 96) -> Mixture:
    spec = MixtureConfig(sources={"it": source}, sizes=(96, 112), window=window, pairs_per_epoch=8)
    return Mixture(spec, read_packs(spec, packs), seed)


PAIRS = SourceConfig(mode="pairs", share=1, reals={"same": 1})
CLASSES = SourceConfig(mode="classes", share=1, reals={"same": 1}, fakes={"whole": 1})
BLENDS = SourceConfig(mode="blends", share=1, reals={"same": 1, "unequal": 1})


@pytest.mark.parametrize("source", [PAIRS, CLASSES, BLENDS], ids=["pairs", "classes", "blends"])
def test_a_pair_is_determined_by_its_number(packs: Path, source: SourceConfig) -> None:
    first, again = (_mixture(packs, source).pair(2, 5) for _ in range(2))
    np.testing.assert_array_equal(first.real, again.real)
    np.testing.assert_array_equal(first.fake, again.fake)
    other = _mixture(packs, source).pair(2, 6)
    assert not np.array_equal(first.fake, other.fake)
    assert first.real.shape == first.fake.shape
    assert 96 <= len(first.real) <= 112
    assert not first.real_mask.any()


def test_a_pair_differs_mostly_inside_its_mask(packs: Path) -> None:
    """Both images get the same augmentation; codecs change the rest of the image only a little."""
    inside, outside = [], []
    for index in range(40):
        pair = _mixture(packs, BLENDS).pair(0, index)
        change = np.abs(pair.real.astype(int) - pair.fake).mean(2)
        inside.append((change * pair.fake_mask).sum() / max(1.0, pair.fake_mask.sum()))
        outside.append(change[pair.fake_mask < 0.01].mean() if (pair.fake_mask < 0.01).any() else 0)
    assert np.mean(inside) > 4 * np.mean(outside)


def test_without_augmentation_a_pair_is_equal_outside_its_mask(packs: Path) -> None:
    """Only light, size and crop remain, and both images get the same of them."""
    none = AugmentationConfig(
        codecs=(1, 0, 0, 0), blur=0, grain=0, reenlarge=0, beautify=0, sharpen=0
    )
    spec = MixtureConfig(
        sources={"it": BLENDS}, sizes=(96, 96), window=96, augmentation=none, pairs_per_epoch=8
    )
    mixture = Mixture(spec, read_packs(spec, packs), 0)
    for index in range(20):
        pair = mixture.pair(0, index)
        outside = cv2.dilate((pair.fake_mask > 0).astype(np.uint8), np.ones((5, 5))) == 0
        np.testing.assert_array_equal(pair.real[outside], pair.fake[outside])


def test_the_mask_of_a_synthesised_face_covers_it_all(packs: Path) -> None:
    assert (_mixture(packs, CLASSES).pair(0, 0).fake_mask > 0.99).all()


def test_sources_are_drawn_by_their_shares(packs: Path) -> None:
    shares = {"pairs": PAIRS, "classes": CLASSES.model_copy(update={"share": 3.0})}
    spec = MixtureConfig(sources=shares, sizes=(64, 64), window=64)
    mixture = Mixture(spec, read_packs(spec, packs), 0)
    names = [mixture.pair(0, index).source for index in range(120)]
    assert 0.62 < names.count("classes") / 120 < 0.88


def _drawn(packs: Path, source: SourceConfig, count: int = 400) -> list[CropPair]:
    mixture = _mixture(packs, source)
    return [mixture.pair(0, index) for index in range(count)]


def test_image_statistics_do_not_separate_the_classes(packs: Path) -> None:
    assert probe_auc(_drawn(packs, PAIRS)) < 0.55


def test_the_probe_detects_a_quality_difference_that_recompression_removes(packs: Path) -> None:
    """Files of unequal quality reveal the label unless both are compressed equally first."""
    unequal = SourceConfig(mode="classes", share=1, reals={"unequal": 1}, fakes={"unequal": 1})
    assert probe_auc(_as_filed(packs)) > 0.65
    equalized = unequal.model_copy(update={"requality": (25, 40)})
    assert probe_auc(_drawn(packs, equalized, 250)) < 0.6


def _as_filed(packs: Path) -> list[CropPair]:
    """Returns unaugmented images, decoded from their files."""
    pack = Pack(packs / "unequal")
    found = []
    for number in range(0, len(pack), 2):
        for row in range(0, 120, 8):
            window = np.s_[row : row + 96, row : row + 96]
            real, fake = (pack.pixels(n)[window] for n in (number, number + 1))
            none = np.zeros((96, 96), np.float32)
            found.append(CropPair(real, fake, none, none, ""))
    return found


def test_an_epoch_resumes_at_a_given_batch(packs: Path) -> None:
    loader = MixtureLoader(_mixture(packs, PAIRS), pairs=2, workers=0)
    whole = list(loader.epoch(1))
    assert len(whole) == len(loader) == 4
    rest = list(loader.epoch(1, 3))
    assert len(rest) == 1
    crops, labels, masks = whole[3]
    assert torch.equal(rest[0][0], crops)
    assert labels.tolist() == [0, 0, 1, 1]
    assert crops.shape == (4, 3, 96, 96)
    assert masks.shape == (4, 96, 96)


def test_several_windows_are_cropped_from_a_pair(packs: Path) -> None:
    spec = MixtureConfig(
        sources={"it": PAIRS}, sizes=(96, 112), window=64, windows=2, pairs_per_epoch=4
    )
    mixture = Mixture(spec, read_packs(spec, packs), 0)
    (crops, labels, _), *_ = MixtureLoader(mixture, pairs=4, workers=0).epoch(0)
    assert crops.shape == (8, 3, 64, 64)
    assert labels.tolist() == [0] * 4 + [1] * 4
    real = mixture.pair(0, 0).real
    area = draw_windows(len(real), spec, 0, (0, 0))[1]
    np.testing.assert_array_equal(crops[1].permute(1, 2, 0).numpy(), real[area])
    assert not torch.equal(crops[0], crops[1])


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="fakes"):
        SourceConfig(mode="pairs", share=1, reals={"a": 1}, fakes={"b": 1})
    with pytest.raises(ValidationError, match="window"):
        MixtureConfig(sources={"it": PAIRS}, sizes=(96, 128), window=128)
    with pytest.raises(ValidationError, match="codecs"):
        AugmentationConfig(codecs=(0.5, 0.4, 0.0, 0.0))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"mode": "pairs", "reals": {"whole": 1}}, "pack whole: no fake with a known original"),
        ({"mode": "blends", "reals": {"whole": 1}}, "pack whole: no real"),
        ({"mode": "pairs", "reals": {"same": 1, "more": 1, "most": 1}}, "no pack of more, most"),
    ],
)
def test_packs_must_have_what_a_source_draws(
    packs: Path, source: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        _mixture(packs, SourceConfig.model_validate(source | {"share": 1}))


def test_an_excluded_pack_is_used_by_no_source() -> None:
    spec = MixtureConfig(sources={"pairs": PAIRS, "classes": CLASSES, "blends": BLENDS})
    left = without(spec, "same").sources
    assert list(left) == ["blends"]
    assert left["blends"].reals == {"unequal": 1}
    assert list(without(spec, "whole").sources) == ["pairs", "blends"]
    with pytest.raises(ValueError, match="no source"):
        without(spec, "absent")
    with pytest.raises(ValueError, match="nothing is left"):
        without(MixtureConfig(sources={"pairs": PAIRS}), "same")
