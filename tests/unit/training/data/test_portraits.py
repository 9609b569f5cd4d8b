"""Reading folders of portraits: faces detected or given, identities never split."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from deepfake_serving.training.data.images import read_image
from deepfake_serving.training.data.landmarks import best_landmark_detector
from deepfake_serving.training.data.masks import five_points
from deepfake_serving.training.data.portraits import (
    FaceLandmarks,
    Portrait,
    read_portraits,
    split_by_identity,
)
from model_handlers.pipeline.decode import Pixels
from tests.unit.training.conftest import BOX, FIVE, mesh


class Counting:
    """A detector with the astronaut's face as its result, which counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Pixels) -> FaceLandmarks | None:
        self.calls += 1
        return FaceLandmarks(BOX, FIVE) if image.shape == (512, 512, 3) else None


@pytest.fixture
def folder(tmp_path: Path, astronaut_jpeg: bytes) -> Path:
    root = tmp_path / "faces"
    for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(astronaut_jpeg)
    return root


def test_portraits_are_found_in_any_folder_structure(folder: Path, tmp_path: Path) -> None:
    locate = Counting()
    found = read_portraits(folder, locate, tmp_path / "index")
    assert [p.group for p in found] == ["a", "a", "b"]
    assert len({p.identity for p in found}) == 3
    assert found[0].box == BOX
    assert (found[0].points == FIVE).all()
    assert found[0].pixels().shape == (512, 512, 3)
    again = read_portraits(folder, locate, tmp_path / "index")
    assert locate.calls == 3, "faces are detected once"
    assert [p.path for p in again] == [p.path for p in found]


def test_an_image_that_cannot_be_decoded_is_left_out_by_name(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b/4.jpg").write_bytes((folder / "b/3.jpg").read_bytes()[:2000])
    assert len(read_portraits(folder, Counting(), tmp_path / "index")) == 3
    assert f"left out: {folder / 'b/4.jpg'}: " in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"4\.jpg: "):
        read_image(folder / "b/4.jpg")


@pytest.mark.parametrize(("pattern", "reason"), [("[a-z]+", "no group"), ("([a-z", "expression")])
def test_an_expression_must_have_an_identity(pattern: str, reason: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        read_portraits(folder, Counting(), folder / "index", pattern)


def test_a_changed_folder_is_indexed_again(
    folder: Path, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    locate = Counting()
    read_portraits(folder, locate, tmp_path / "index")
    (folder / "b/4.jpg").write_bytes(astronaut_jpeg)
    assert len(read_portraits(folder, locate, tmp_path / "index")) == 4


def test_an_index_appears_only_when_complete(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes of a run share the index."""
    index, savez, seen = tmp_path / "index", np.savez, list[Path]()

    def watched(stream: IO[bytes], **arrays: np.ndarray) -> None:
        savez(stream, **arrays)
        seen.extend(index.glob("*.npz"))

    monkeypatch.setattr(np, "savez", watched)
    read_portraits(folder, Counting(), index)
    assert seen == []
    assert len(list(index.iterdir())) == 1


def test_given_landmarks_and_identities_are_used(folder: Path, tmp_path: Path) -> None:
    names = [f"faces/{name}" for name in ("a/1.jpg", "a/2.jpg", "b/3.jpg")]
    with (tmp_path / "faces.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "set", "source"])
        writer.writerows(
            [name, "studio", f"shoot/{7 + k // 2}_{k}.jpg"] for k, name in enumerate(names)
        )
    np.savez(
        tmp_path / "face_landmarks.npz",
        picture=np.array(names),
        points=np.stack([mesh()] * 3).astype(np.float16),
        score=np.array([0.9, 0.9, 0.1], np.float32),
    )
    found = read_portraits(folder, Counting(), tmp_path / "index", r"shoot/(\d+)_")
    assert [len(p.points) for p in found] == [468, 468, 5], "a poor mesh is not used"
    assert [p.identity for p in found] == ["7", "7", "8"]
    assert {p.group for p in found} == {"studio"}


def test_images_without_a_face_are_skipped(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image with a face"):
        read_portraits(folder, lambda _: None, tmp_path / "index")


def test_the_face_detector_of_the_service_locates_the_face(
    astronaut: Pixels, no_face: Pixels
) -> None:
    locate = best_landmark_detector()
    found = locate(astronaut)
    assert found is not None
    np.testing.assert_allclose(found.box, BOX, atol=12)
    np.testing.assert_allclose(five_points(found.points), FIVE, atol=8)
    assert locate(no_face) is None


def test_no_identity_is_in_both_splits() -> None:
    people = [Portrait(Path(f"{i}.jpg"), "x", f"person {i % 60}", BOX, FIVE) for i in range(240)]
    learnt, held = split_by_identity(people, 0.25, seed=1)
    assert len(learnt) + len(held) == 240
    assert not {p.identity for p in learnt} & {p.identity for p in held}
    assert 0.1 < len(held) / 240 < 0.4
    assert split_by_identity(people[:120], 0.25, seed=1)[1] == [
        p for p in held if p in people[:120]
    ]
    assert split_by_identity(people, 0.25, seed=2)[1] != held
    assert split_by_identity(people, 0.0, seed=1)[1] == []
