"""Images that viewers show: cut short, animated, AVIF, HEIC and TIFF."""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepfake_serving.contracts.problems import TooManyPixels, UndecodableMedia
from model_handlers.images.jpeg.cut_short import share_read
from model_handlers.images.jpeg.scans import JpegScans, Scan, coefficient_shares
from model_handlers.images.jpeg.segments import SCAN, segments
from model_handlers.items import Options
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode, decode_image
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask, FacesTask
from tests.support.console_warnings import translated
from tests.support.paths import ROOT
from tests.unit.model_handlers.pipeline.test_decode import (
    STORED,
    difference,
    encode,
    exif,
    flat,
    scene,
)

SPEC = DecodeSpec()
DATA = ROOT / "tests" / "data"
"""Files that no library here can write; encoded by pillow-heif from the test image."""


@pytest.fixture(scope="module")
def portrait(astronaut: Pixels) -> Pixels:
    return np.ascontiguousarray(astronaut[:256, 96:352])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_whole(progressive: bool, portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90, progressive=progressive)
    pixels, warnings, _ = decode_image(data[:-2], SPEC)
    assert (pixels == decode(data, SPEC)).all()
    read = "coefficients were read, 100% in full precision" if progressive else "lines were read"
    assert warnings == [f"the image is cut short: 100% of its {read}"]


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_a_jpeg_cut_short_is_read_as_far_as_it_goes(share: float, portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90)
    pixels, (warning,), _ = decode_image(data[: round(share * len(data))], SPEC)
    read = int(warning.split(":")[1].split("%")[0])
    assert 100 * share - 15 < read < 100 * share + 15
    whole = decode(data, SPEC)
    lines = (read - 8) * len(whole) // 100
    assert (pixels[:lines] == whole[:lines]).all()


def shares_read(data: bytes) -> tuple[int, int]:
    """Returns the percentages that a warning states: read, and in full precision."""
    (warning,) = decode_image(data, SPEC).warnings
    read, precise = re.findall(r"(\d+)%", warning)
    return int(read), int(precise)


def test_a_progressive_jpeg_loses_precision_first(portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90, progressive=True)
    shares = [round(share * len(data)) for share in (0.7, 0.8, 0.95)]
    seen = [shares_read(data[:length]) for length in shares]
    assert [read for read, _ in seen] == [100, 100, 100]
    precise = [precise for _, precise in seen]
    assert precise == sorted(set(precise))
    assert 0 <= precise[0] < precise[-1] < 100
    for length in shares:
        error = np.abs(decode(data[:length], SPEC).astype(int) - decode(data, SPEC)).mean()
        assert 0 < error < 12


def scan_starts(data: bytes) -> list[int]:
    return [segment.body_end for segment in segments(data) if segment.marker == SCAN]


def test_coefficients_of_a_progressive_jpeg_are_counted(portrait: Pixels) -> None:
    """The fifth scan has most of the coefficients of luma, the first four the others.

    With chroma at a quarter of the samples each, luma has two thirds.
    """
    data = encode(portrait, "JPEG", quality=90, progressive=True)
    start, end = scan_starts(data)[4:6]
    middle = shares_read(data[: start + (end - start) * 3 // 4])
    assert 50 < middle[0] < 95
    assert middle[1] == 0
    with pytest.raises(UndecodableMedia, match=r"cut short: 4\d% of its coefficients"):
        decode(data[: start + (end - start) // 50], SPEC)


def test_a_component_that_is_missing_is_not_read() -> None:
    """Sequential JPEGs may have one scan a component: without its last, colours are wrong."""
    shares = {1: 2 / 3, 2: 1 / 6, 3: 1 / 6}
    scans = [Scan((name,), 0, 63, refines=False, final=True, data_start=0) for name in shares]
    assert coefficient_shares(JpegScans(shares, scans[:2]), 1.0) == pytest.approx((5 / 6, 5 / 6))
    assert coefficient_shares(JpegScans(shares, scans), 0.5) == pytest.approx((11 / 12, 11 / 12))


def test_a_progressive_jpeg_cut_within_a_header_is_read(portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90, progressive=True)
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xc4"]
    for at in scans[6:]:
        for extra in (1, 3, 8):
            assert decode_image(data[: at + extra], SPEC).warnings


def test_less_than_half_is_refused(portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90)
    with pytest.raises(UndecodableMedia, match=r"cut short: \d+% of its lines were read; at"):
        decode(data[: len(data) // 3], SPEC)


def test_the_share_of_lines() -> None:
    rows = np.arange(160).reshape(10, 16)
    assert share_read(rows) == 1.0
    rows[6:] = 7
    assert share_read(rows) == 0.6
    assert share_read(np.zeros((10, 16, 3))) == 0.0


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_further_frames_are_a_warning(form: str) -> None:
    first, second = Image.fromarray(flat()), Image.fromarray(255 - flat())
    data = encode(first, form, save_all=True, append_images=[second, first], duration=100)
    part = "page" if form == "TIFF" else "frame"
    assert decode_image(data, SPEC).warnings == [f"only the first {part} of the image was analysed"]
    assert translated(decode_image(data, SPEC).warnings[0])
    assert decode_image(encode(first, form), SPEC).warnings == []


def test_other_lenses_of_a_phone_are_no_frames() -> None:
    data = encode(scene(), "MPO", save_all=True, append_images=[Image.fromarray(255 - scene())])
    assert decode_image(data, SPEC).warnings == []


FORMS: list[tuple[str, dict[str, Any], int]] = [
    ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, 24),
    ("TIFF", {}, 0),
    ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("TIFF", {"compression": "tiff_deflate"}, 0),
    ("TIFF", {"compression": "packbits"}, 0),
]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("form", "options", "tolerance"), FORMS)
def test_avif_and_tiff_give_upright_pixels(
    orientation: int, form: str, options: dict[str, Any], tolerance: int
) -> None:
    stored = np.ascontiguousarray(STORED[orientation](scene()))
    data = encode(stored, form, exif=exif(orientation), **options)
    assert difference(decode(data, SPEC), scene()) <= tolerance


@pytest.mark.parametrize("form", ["AVIF", "TIFF"])
def test_the_pixel_limit_holds(form: str) -> None:
    data = encode(np.zeros((40, 51, 3), np.uint8), form)
    with pytest.raises(TooManyPixels, match="2000"):
        decode(data, DecodeSpec(max_pixels=2000))


@pytest.mark.parametrize("name", ["astronaut.heic", "astronaut-turned.heic"])
def test_heic_gives_the_upright_pixels_of_its_original(astronaut: Pixels, name: str) -> None:
    """The turned one is stored on its side with the rotation of HEIF (irot)."""
    found = decode((DATA / name).read_bytes(), SPEC)
    original = astronaut[30:230, 130:330]
    assert found.shape == original.shape
    assert np.abs(found.astype(int) - original).mean() < 6


def test_the_limit_and_damage_of_heic() -> None:
    data = (DATA / "astronaut.heic").read_bytes()
    with pytest.raises(TooManyPixels, match="2000"):
        decode(data, DecodeSpec(max_pixels=2000))
    for share in (0.02, 0.1, 0.5, 0.9):
        with pytest.raises(UndecodableMedia, match="corrupt"):
            decode(data[: round(share * len(data))], SPEC)


def test_tiles_count_as_pixels() -> None:
    """A tiny TIFF may claim tiles of gigabytes."""
    tags = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 322: 60000, 323: 60000, 324: 8, 325: 9}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    with pytest.raises(TooManyPixels, match="60000 x 60000"):
        decode(data, SPEC)


@pytest.mark.parametrize("form", ["AVIF", "TIFF"])
def test_damaged_files_are_undecodable(form: str) -> None:
    data = encode(scene(), form)
    for share in (0.1, 0.3, 0.5, 0.8):
        with pytest.raises(UndecodableMedia, match="corrupt"):
            decode(data[: round(share * len(data))], SPEC)


def test_faces_beyond_the_limit_are_a_warning(
    face_detector: FaceDetector, faces_task: FacesTask, astronaut: Pixels
) -> None:
    two = np.hstack([astronaut[:256, 96:352]] * 2)
    spec, limited = face_detector.spec, face_detector.spec.model_copy(update={"max_faces": 1})
    face_detector.spec = limited
    try:
        (result,) = faces_task.run([two], [Options()], Stopwatch())
    finally:
        face_detector.spec = spec
    assert result.warnings == ["only the 1 largest of 2 faces were analysed"]  # type: ignore[union-attr]
    assert translated(result.warnings[0])  # type: ignore[union-attr]


def test_warnings_reach_the_verdict(detector: DetectorTask, portrait: Pixels) -> None:
    data = encode(portrait, "JPEG", quality=90)
    whole, cut = detector.run([data, data[:-2]], [Options()] * 2, Stopwatch())
    assert whole.warnings == []  # type: ignore[union-attr]
    assert cut.warnings == ["the image is cut short: 100% of its lines were read"]  # type: ignore[union-attr]
    assert translated(cut.warnings[0])  # type: ignore[union-attr]
