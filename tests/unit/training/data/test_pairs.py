"""Pairs by index: seeded, cached, cropped as in service."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepfake_serving.training.data.loader import PairLoader
from deepfake_serving.training.data.pairs import Pair, PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import Portrait
from model_handlers.manifest import CropSpec

CROP = CropSpec(size=96)


def same(a: Pair, b: Pair) -> bool:
    names = ("real", "fake", "mask", "box")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_number_and_seed_determine_a_pair(portraits: list[Portrait]) -> None:
    generator, again = (PairGenerator(portraits, PairConfig(seed=3), None) for _ in range(2))
    assert same(generator.pair(0, 5), again.pair(0, 5))
    assert not same(generator.pair(0, 5), generator.pair(1, 5))
    assert not same(
        generator.pair(0, 5), PairGenerator(portraits, PairConfig(seed=4), None).pair(0, 5)
    )


def test_both_images_of_a_pair_have_the_same_size(portraits: list[Portrait]) -> None:
    for index in range(8):
        pair = PairGenerator(portraits, PairConfig(), None).pair(0, index)
        assert pair.real.shape == pair.fake.shape
        assert pair.mask.shape == pair.real.shape[:2]
        x1, y1, x2, y2 = pair.box
        centre = pair.mask[int(y1) : int(y2), int(x1) : int(x2)]
        assert centre.sum() > 0.6 * pair.mask.sum(), "the mask is not on the box"


def test_the_cache_returns_the_generated_pair(portraits: list[Portrait], tmp_path: Path) -> None:
    fresh = PairGenerator(portraits, PairConfig(), None).pair(2, 1)
    generator = PairGenerator(portraits, PairConfig(), tmp_path)
    assert same(generator.pair(2, 1), fresh)
    (file,) = tmp_path.rglob("*.npz")
    created = file.stat().st_mtime_ns
    assert same(generator.pair(2, 1), fresh)
    assert file.stat().st_mtime_ns == created
    file.write_bytes(file.read_bytes()[:1000])
    assert same(generator.pair(2, 1), fresh), "a truncated record is generated again"


def test_a_cached_pair_is_of_the_same_portraits(portraits: list[Portrait], tmp_path: Path) -> None:
    """The donor of another run may be a person whom this one holds out."""
    config = PairConfig(self_share=0)
    PairGenerator(portraits, config, tmp_path).pair(0, 0)
    for fewer in (portraits[:2], [portraits[0], portraits[3]]):
        fresh = PairGenerator(fewer, config, None).pair(0, 0)
        assert same(PairGenerator(fewer, config, tmp_path).pair(0, 0), fresh)


def test_a_cached_pair_is_cropped_differently_in_each_epoch(
    portraits: list[Portrait], tmp_path: Path
) -> None:
    generator = PairGenerator(portraits, PairConfig(reuse=2), tmp_path)
    first, second = generator.crops(0, 0, CROP), generator.crops(1, 0, CROP)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    assert (first[0] != second[0]).any()
    assert first[0].shape == first[1].shape == (96, 96, 3)
    assert first[2].shape == (96, 96)
    assert 0 < first[2].max() <= 1


def test_shares_of_blends_follow_the_setting(portraits: list[Portrait]) -> None:
    """Self-blends need no donor, so one person is enough for them, but not for cross-blends."""
    alone = PairGenerator(portraits[:1], PairConfig(self_share=1.0), None)
    assert alone.pair(0, 0).fake.size
    with pytest.raises(ValueError, match="two identities"):
        PairGenerator(portraits[:1], PairConfig(self_share=0.0), None).pair(0, 0)


def test_batches_contain_reals_followed_by_their_fakes(portraits: list[Portrait]) -> None:
    loader = PairLoader(
        PairGenerator(portraits, PairConfig(), None), CROP, batch_pairs=4, workers=0
    )
    assert len(loader) == 2
    for crops, labels, masks in loader.epoch(0):
        assert crops.shape == (8, 3, 96, 96)
        assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
        assert masks[:4].max() == 0
        assert (masks[4:].amax(dim=(1, 2)) > 0).all()


def test_an_epoch_can_be_resumed_in_the_middle(portraits: list[Portrait]) -> None:
    loader = PairLoader(
        PairGenerator(portraits, PairConfig(), None), CROP, batch_pairs=2, workers=0
    )
    whole = [crops for crops, _, _ in loader.epoch(1)]
    rest = [crops for crops, _, _ in loader.epoch(1, start=3)]
    assert len(whole) == 4
    assert len(rest) == 1
    assert (whole[3] == rest[0]).all()


def test_processes_share_an_epoch_without_overlap(portraits: list[Portrait]) -> None:
    generator = PairGenerator(portraits, PairConfig(), None)
    whole = next(iter(PairLoader(generator, CROP, batch_pairs=8, workers=0).epoch(0)))[0]
    parts = [
        next(iter(PairLoader(generator, CROP, 4, 0, rank=rank, world_size=2).epoch(0)))[0]
        for rank in range(2)
    ]
    joined = np.concatenate([p[:4] for p in parts] + [p[4:] for p in parts])
    assert (joined == whole.numpy()).all()


def test_too_few_portraits_are_refused(portraits: list[Portrait]) -> None:
    with pytest.raises(ValueError, match="too few"):
        PairLoader(PairGenerator(portraits, PairConfig(), None), CROP, batch_pairs=16, workers=0)
