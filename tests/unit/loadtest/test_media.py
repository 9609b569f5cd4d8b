"""Request media: new bytes every time, the same image, with as many faces as its name says."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from loadtest import generate_media
from loadtest.media import Media, cycle_from_random, load
from model_handlers.pipeline.faces import FaceDetector
from tests.support.build_cache import built


@pytest.fixture(scope="module")
def media() -> Media:
    return load(built("load-media", generate_media.generate))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_generated_media_are_images_with_and_without_faces_and_videos(media: Media):
    faces = [image.faces for image in media.images]
    assert (faces.count(1), faces.count(0)) == (24, 8)
    assert len(media.videos) == generate_media.VIDEOS
    sizes = {each.size for each in (*media.images, *media.videos)}
    assert sizes == {(1280, 720)}


def test_images_differ_and_have_the_stated_size(media: Media):
    shown = [pixels(image.data) for image in media.images]
    assert {each.shape for each in shown} == {(720, 1280, 3)}
    assert len({each.tobytes() for each in shown}) == generate_media.IMAGES


def test_an_image_shows_as_many_faces_as_stated(media: Media, face_detector: FaceDetector):
    found = face_detector.detect([pixels(image.data) for image in media.images])
    assert [len(faces) for faces in found] == [image.faces for image in media.images]


def test_the_same_image_has_new_bytes_every_time(media: Media):
    image = media.images[0]
    once, again = image.unique_bytes(), image.unique_bytes()
    assert len({image.data, once, again}) == 3
    assert np.array_equal(pixels(once), pixels(image.data))


def test_the_same_video_is_sent_in_new_bytes_every_time(media: Media):
    video = media.videos[0]
    assert len({video.data, video.unique_bytes(), video.unique_bytes()}) == 3
    with av.open(io.BytesIO(video.unique_bytes())) as container:
        frames = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(frames) == generate_media.FRAMES


def test_all_files_are_used_in_turn(media: Media):
    turn = cycle_from_random(media.videos)
    taken = [next(turn) for _ in range(2 * generate_media.VIDEOS)]
    assert set(taken[: generate_media.VIDEOS]) == set(media.videos)
    assert taken[generate_media.VIDEOS :] == taken[: generate_media.VIDEOS]


def test_a_folder_of_the_user_is_read(tmp_path: Path):
    (tmp_path / "2-640x480-party.jpg").write_bytes(b"\xff\xd8a")
    (tmp_path / "0-64x48-.mp4").write_bytes(b"film")
    media = load(tmp_path)
    (image,), (video,) = media.images, media.videos
    assert (image.data, image.faces, image.size) == (b"\xff\xd8a", 2, (640, 480))
    assert (video.faces, video.size) == (0, (64, 48))


@pytest.mark.parametrize("names", [[], ["1-2x2-a.jpg"], ["party.jpg", "1-2x2-a.mp4"]])
def test_a_folder_without_media_is_refused(tmp_path: Path, names: list[str]):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError):
        load(tmp_path)
