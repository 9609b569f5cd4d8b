"""Packs return their contents, and packing skips useless images."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.sources import pack as packing_module
from deepfake_serving.training.sources.listing import list_folder
from deepfake_serving.training.sources.pack import Example, Pack, write_pack
from deepfake_serving.training.sources.packing import FACES, examples, is_altered
from deepfake_serving.training.sources.region import crop_region
from model_handlers.pipeline.decode import Pixels
from tests.support.packs import build_examples, build_pack


def test_a_pack_returns_bytes_boxes_and_originals(
    portraits: list[Portrait], tmp_path: Path
) -> None:
    built = build_examples(portraits[:3])
    pack = build_pack(tmp_path / "some", built)
    assert len(pack) == 6
    for number, example in enumerate(built):
        assert pack.data(number) == example.data
        assert pack.portrait(number).box == pytest.approx(example.box, abs=1e-3)
        np.testing.assert_allclose(pack.portrait(number).points, example.points)
    assert pack.original.tolist() == [-1, 0, -1, 2, -1, 4]
    assert pack.source == "some"
    assert not pack.whole


def test_shard_sizes_are_limited(
    portraits: list[Portrait], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build_examples(portraits[:3])
    limit = 2 * max(len(example.data) for example in built)
    monkeypatch.setattr(packing_module, "SHARD_BYTES", limit)
    pack = build_pack(tmp_path / "some", built)
    shards = sorted((tmp_path / "some").glob("shard-*.bin"))
    assert len(shards) > 1
    assert all(shard.stat().st_size <= limit for shard in shards)
    assert [pack.data(n) for n in range(6)] == [example.data for example in built]


def test_an_interrupted_pack_is_not_readable(portraits: list[Portrait], tmp_path: Path) -> None:
    def stops() -> Iterator[Example]:
        yield build_examples(portraits[:1])[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pack(stops(), tmp_path / "half")
    with pytest.raises(FileNotFoundError):
        Pack(tmp_path / "half")


def _folder(root: Path, image: Pixels, fake: Pixels) -> Path:
    for label, pixels in (("real", image), ("fake", fake)):
        (root / label).mkdir(parents=True)
        cv2.imwrite(str(root / label / f"{label}.png"), pixels[:, :, ::-1])
    with (root / "pairs.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("fake", "real"), ("fake.png", "real.png")])
    return root


def test_a_fake_inherits_box_and_identity_of_its_original(
    astronaut: Pixels, tmp_path: Path
) -> None:
    fake = astronaut.copy()
    fake[100:180, 200:260] = 255 - fake[100:180, 200:260]
    listed = list_folder(_folder(tmp_path, astronaut, fake))
    assert [item.identity for item in listed] == ["real", "real"]
    real, swapped = examples(listed, build_face_detector(FACES))
    assert (real.fake, swapped.fake) == (False, True)
    assert swapped.original == real.name
    assert swapped.box == real.box


def test_a_fake_that_hardly_differs_from_its_original_is_skipped(
    astronaut: Pixels, tmp_path: Path
) -> None:
    folder = _folder(tmp_path, astronaut, np.clip(astronaut.astype(int) + 3, 0, 255).astype("u1"))
    assert [e.fake for e in examples(list_folder(folder), build_face_detector(FACES))] == [False]
    assert not is_altered(astronaut, (astronaut * 0.05).astype(np.uint8))
    assert is_altered(astronaut, np.ascontiguousarray(astronaut[:, ::-1]))


def test_files_of_several_folders_may_have_equal_names(astronaut: Pixels, tmp_path: Path) -> None:
    for name in ("real/anna/1.png", "real/ben/1.png", "fake/anna/1.png", "fake/ben/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), astronaut[:, :, ::-1])
    (tmp_path / "pairs.csv").write_text("fake,real\nanna/1.png,anna/1.png\nben/1.png,ben/1.png\n")
    listed = list_folder(tmp_path)
    assert len({item.name for item in listed}) == 4
    assert [item.identity for item in listed] == ["anna/1", "ben/1", "anna/1", "ben/1"]
    assert [i.original and i.original.name for i in listed[2:]] == [
        "real/anna/1.png",
        "real/ben/1.png",
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [("fake,original\nfake.png,real.png\n", "columns"), ("fake,real\nfak.png,real.png\n", "fak")],
)
def test_pairs_that_name_no_file_are_refused(
    rows: str, reason: str, astronaut: Pixels, tmp_path: Path
) -> None:
    _folder(tmp_path, astronaut, astronaut)
    (tmp_path / "pairs.csv").write_text(rows)
    with pytest.raises(ValueError, match=reason):
        list_folder(tmp_path)


def test_a_damaged_image_is_left_out(
    astronaut: Pixels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _folder(tmp_path, astronaut, np.ascontiguousarray(astronaut[:, ::-1]))
    (folder / "real/damaged.png").write_bytes((folder / "real/real.png").read_bytes()[:900])
    (folder / "fake/fake.png").write_bytes(b"no image")
    found = list(examples(list_folder(folder), build_face_detector(FACES)))
    assert [example.name for example in found] == ["real/real.png"]
    assert capsys.readouterr().err.count("left out: ") == 2


def test_a_pack_of_another_version_is_refused(portraits: list[Portrait], tmp_path: Path) -> None:
    build_pack(tmp_path / "old", build_examples(portraits[:1]))
    with np.load(tmp_path / "old" / "index.npz") as index:
        arrays = {name: index[name] for name in index.files if name != "whole"}
    np.savez(tmp_path / "old" / "index.npz", **arrays)
    with pytest.raises(ValueError, match="of another version, without whole"):
        Pack(tmp_path / "old")


def test_large_images_are_cropped_around_the_face(astronaut: Pixels) -> None:
    large = cv2.resize(astronaut, None, fx=4, fy=4).astype(np.uint8)
    box, points = (708.0, 232.0, 1080.0, 700.0), np.array([[900, 460]], np.float32)
    small, moved, point = crop_region(large, box, points)
    assert max(moved[2] - moved[0], moved[3] - moved[1]) == pytest.approx(256, abs=1)
    across = (point[0, 0] - moved[0]) / (moved[2] - moved[0])
    assert across == pytest.approx((900 - box[0]) / (box[2] - box[0]), abs=0.01)
    assert small.shape[0] <= 2 * 256 + 2
