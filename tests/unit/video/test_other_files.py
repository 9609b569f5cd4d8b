"""Files that are certainly no videos are refused by their bytes; all others are left to FFmpeg."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from deepfake_serving.contracts.problems import UnsupportedMediaType
from deepfake_serving.video.decoding.other_files import is_one_jpeg, refuse_other_file
from deepfake_serving.video.decoding.pixels import Pixels
from tests.support.videos import scenes, write_video


def encoded(pixels: Pixels, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def jpeg_with_preview(pixels: Pixels) -> bytes:
    """Returns a JPEG whose EXIF has a whole JPEG, as cameras write them."""
    preview = encoded(pixels[::8, ::8], "JPEG")
    exif = b"Exif\0\0" + preview
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif
    return b"\xff\xd8" + segment + encoded(pixels, "JPEG", progressive=True)[2:]


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<w:document/>")
    return stream.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "AVIF"])
def test_a_still_image_is_refused(form: str, astronaut: Pixels) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"(?i)still image .*{form}.* as an image"):
        refuse_other_file(io.BytesIO(encoded(astronaut, form)))


def test_a_photo_of_a_camera_is_refused(astronaut: Pixels) -> None:
    with pytest.raises(UnsupportedMediaType, match="JPEG"):
        refuse_other_file(io.BytesIO(jpeg_with_preview(astronaut)))


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\n", zipped(), b"\n<!DOCTYPE html><html>", b'<?xml version="1.0"?>', b"#EXTM3U\n"],
    ids=["pdf", "zip", "html", "xml", "playlist"],
)
def test_a_document_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedMediaType, match="not a supported video"):
        refuse_other_file(io.BytesIO(content))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mov", "flv"])
def test_a_video_is_not_refused(suffix: str, tmp_path: Path) -> None:
    with write_video(tmp_path / f"video.{suffix}", scenes()).open("rb") as file:
        refuse_other_file(file)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff\xd8\xff", bytes(70_000), b"\xff\xd8" * 2**20]
)
def test_what_is_not_recognised_is_no_jpeg(content: bytes) -> None:
    assert not is_one_jpeg(content)


@pytest.mark.parametrize("content", [b"", b"x", bytes(70_000), b"text"])
def test_what_is_not_recognised_is_not_refused(content: bytes) -> None:
    refuse_other_file(io.BytesIO(content))


def test_a_stream_of_jpegs_and_an_animation_are_not_refused(astronaut: Pixels) -> None:
    refuse_other_file(io.BytesIO(2 * jpeg_with_preview(astronaut)))
    frames = [Image.fromarray(astronaut[::-1])]
    for form in ("PNG", "GIF"):
        animated = encoded(astronaut, form, save_all=True, append_images=frames)
        refuse_other_file(io.BytesIO(animated))
