"""Photos of more pixels than the limit, which are decoded at half their size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from deepfake_serving.contracts.problems import TooManyPixels
from deepfake_serving.contracts.verdict import ImageFaces, ImageVerdict
from model_handlers.given_faces import GivenFace
from model_handlers.items import Options
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode_image
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask, FacesTask, Task
from tests.support.console_warnings import translated

SIZE = 512
SPEC = DecodeSpec(max_pixels=SIZE * SIZE - 1)
SIDEWAYS = 6


def jpeg(pixels: Pixels, orientation: int = 1, *, progressive: bool = False) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, exif=exif, progressive=progressive)
    return stream.getvalue()


def limited(task: Task, max_pixels: int) -> Task:
    decode = task.manifest.decode.model_copy(update={"max_pixels": max_pixels})
    manifest = task.manifest.model_copy(update={"decode": decode})
    if isinstance(task, DetectorTask):
        return DetectorTask(manifest, task.model, task.face_detector, task.classifier)
    assert isinstance(task, FacesTask)
    return FacesTask(manifest, task.model, task.face_detector)


def test_a_photo_over_the_limit_is_decoded_at_half_its_size(astronaut: Pixels) -> None:
    image = decode_image(jpeg(astronaut), SPEC)
    assert image.pixels.shape == (SIZE // 2, SIZE // 2, 3)
    assert image.full_size == (SIZE, SIZE)
    assert image.warnings == [
        "the image has 512 x 512 pixels, over the limit of 262143: it was analysed at half its "
        "width and height"
    ]
    assert translated(image.warnings[0])
    half = astronaut.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean((1, 3))
    assert np.abs(image.pixels - half).mean() < 3


def test_a_photo_within_the_limit_keeps_its_size(astronaut: Pixels) -> None:
    image = decode_image(jpeg(astronaut), DecodeSpec(max_pixels=SIZE * SIZE))
    assert image.pixels.shape == astronaut.shape
    assert image.full_size is None
    assert image.warnings == []


def test_its_size_is_that_of_the_upright_image(astronaut: Pixels) -> None:
    image = decode_image(jpeg(astronaut[:301], SIDEWAYS), DecodeSpec(max_pixels=301 * SIZE - 1))
    assert image.pixels.shape == (SIZE // 2, 151, 3)
    assert image.full_size == (301, SIZE)


def test_the_end_may_be_missing(astronaut: Pixels) -> None:
    data = jpeg(astronaut)
    image = decode_image(data[: len(data) * 3 // 4], SPEC)
    assert image.pixels.shape == (SIZE // 2, SIZE // 2, 3)
    assert "cut short" in image.warnings[0]
    assert "half its width" in image.warnings[1]


@pytest.mark.parametrize(
    ("progressive", "max_pixels"),
    [
        (False, SIZE * SIZE // 4 - 1),
        (True, SIZE * SIZE - 1),  # all coefficients of several scans would have to be in memory
    ],
)
def test_other_photos_over_the_limit_are_refused(
    astronaut: Pixels, progressive: bool, max_pixels: int
) -> None:
    with pytest.raises(TooManyPixels, match=rf"limit is {max_pixels}$"):
        decode_image(jpeg(astronaut, progressive=progressive), DecodeSpec(max_pixels=max_pixels))


def test_other_formats_over_the_limit_are_refused(astronaut: Pixels) -> None:
    stream = io.BytesIO()
    Image.fromarray(astronaut).save(stream, "PNG")
    with pytest.raises(TooManyPixels):
        decode_image(stream.getvalue(), SPEC)


def test_boxes_are_in_pixels_of_the_photo(
    astronaut: Pixels, trained_detector: DetectorTask
) -> None:
    whole, half = (
        verdict(limited(trained_detector, limit), jpeg(astronaut))
        for limit in (SIZE * SIZE, SIZE * SIZE - 1)
    )
    assert (half.width, half.height) == (SIZE, SIZE)
    assert half.verdict == whole.verdict
    np.testing.assert_allclose(half.faces[0].box, whole.faces[0].box, atol=8)
    np.testing.assert_allclose(half.faces[0].landmarks, whole.faces[0].landmarks, atol=8)


def test_given_faces_are_in_pixels_of_the_photo(
    astronaut: Pixels, trained_detector: DetectorTask
) -> None:
    task = limited(trained_detector, SIZE * SIZE - 1)
    found = verdict(task, jpeg(astronaut))
    face = found.faces[0]
    given = GivenFace(tuple(face.box), tuple(map(tuple, face.landmarks)), 1.0)  # type: ignore[arg-type]
    again = verdict(task, jpeg(astronaut), Options(faces=(given,)))
    assert again.faces[0].box == face.box
    assert again.faces[0].fake_probability == pytest.approx(face.fake_probability, abs=0.01)


def test_found_faces_are_in_pixels_of_the_photo(
    astronaut: Pixels, trained_detector: DetectorTask
) -> None:
    task = FacesTask(
        trained_detector.manifest, trained_detector.model, trained_detector.face_detector
    )
    whole, half = (
        limited(task, limit).run([jpeg(astronaut)], [Options()], Stopwatch())[0]
        for limit in (SIZE * SIZE, SIZE * SIZE - 1)
    )
    assert isinstance(whole, ImageFaces)
    assert isinstance(half, ImageFaces)
    assert (half.width, half.height) == (SIZE, SIZE)
    np.testing.assert_allclose(half.faces[0].box, whole.faces[0].box, atol=8)


def verdict(task: Task, data: bytes, options: Options | None = None) -> ImageVerdict:
    [outcome] = task.run([data], [options or Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict)
    return outcome
