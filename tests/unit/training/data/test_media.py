"""Images and videos to classify, with real files and decoders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deepfake_serving.training.data.face_regions import face_regions
from deepfake_serving.training.data.media import read_media, sample_frames
from model_handlers.manifest import CropSpec
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector
from tests.unit.training.conftest import write_clip


@pytest.fixture
def media(tmp_path: Path, astronaut: Pixels, no_face: Pixels, astronaut_jpeg: bytes) -> Path:
    """Writes a real image, a real video that cuts to a cup, and fake videos of two kinds."""
    pan = [astronaut[k : k + 360, k : k + 400] for k in range(0, 60, 5)]
    cup = [cv2.resize(no_face, (400, 360)) for _ in range(4)]
    write_clip(tmp_path / "real/v12.mp4", [*pan, *cup])
    (tmp_path / "real/photo.jpg").write_bytes(astronaut_jpeg)
    write_clip(tmp_path / "fake/swap/vs12.mp4", pan)
    write_clip(tmp_path / "fake/other/vs13.mkv", pan)
    return tmp_path


def test_labels_kinds_and_identities_are_read(media: Path) -> None:
    found = {m.path.name: m for m in read_media(media)}
    assert {name: m.fake for name, m in found.items()} == {
        "photo.jpg": False,
        "v12.mp4": False,
        "vs12.mp4": True,
        "vs13.mkv": True,
    }
    assert found["vs12.mp4"].identity == found["v12.mp4"].identity == "12"
    assert found["photo.jpg"].identity == "photo"
    assert found["vs12.mp4"].manipulation == "swap"
    assert found["v12.mp4"].manipulation == "real"
    assert [m.video for m in found.values()].count(True) == 3


def test_frames_are_spread_over_the_video(media: Path) -> None:
    clip = next(m for m in read_media(media) if m.path.name == "v12.mp4")
    numbers = [number for number, _ in sample_frames(clip, 4)]
    assert len(numbers) == 4
    assert numbers == sorted(numbers)
    assert numbers[0] >= 1
    assert numbers[-1] <= 14
    assert len(list(sample_frames(clip, 99))) <= 16


def test_regions_include_the_surroundings_of_a_face(
    media: Path, face_detector: FaceDetector, astronaut: Pixels, tmp_path: Path
) -> None:
    clip = next(m for m in read_media(media) if m.path.name == "v12.mp4")
    regions = face_regions(clip, 8, face_detector, tmp_path / "cache")
    assert 0 < len(regions) < 8, "the cup has no face"
    again = face_regions(clip, 8, face_detector, tmp_path / "cache")
    assert all((a.pixels == b.pixels).all() for a, b in zip(regions, again, strict=True))
    photo = next(m for m in read_media(media) if m.path.name == "photo.jpg")
    (region,) = face_regions(photo, 8, face_detector)
    face = max(face_detector.detect([astronaut])[0], key=lambda f: f.area)
    assert region.face_px == pytest.approx(face.longer_side, rel=0.05)


def test_a_region_gives_the_same_crop_as_the_image(
    media: Path, face_detector: FaceDetector
) -> None:
    photo = next(m for m in read_media(media) if m.path.name == "photo.jpg")
    (_, image), *_ = sample_frames(photo, 1)
    (region,) = face_regions(photo, 1, face_detector)
    face = max(face_detector.detect([image])[0], key=lambda f: f.area)
    whole, cut = (
        crop_face(pixels, box, CropSpec()).astype(int)
        for pixels, box in ((image, face.box), (region.pixels, region.box))
    )
    assert np.abs(whole - cut).mean() < 1


def test_both_classes_are_required(tmp_path: Path, astronaut_jpeg: bytes) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.jpg").write_bytes(astronaut_jpeg)
    with pytest.raises(ValueError, match="fake: no image and no video"):
        read_media(tmp_path)
