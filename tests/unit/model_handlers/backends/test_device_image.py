"""Image pyramids of torch equal those of OpenCV.

The tests run on torch's CPU instead of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model_handlers.backends import pytorch
from model_handlers.backends.device_image import DeviceImage
from model_handlers.manifest import MTCNN_FILE, FacesSpec
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.detection.mipmap import Mipmap
from model_handlers.pipeline.detection.pyramid import build_layout
from model_handlers.pipeline.faces import FaceDetector

CPU = torch.device("cpu")
FACTOR = 0.709


@pytest.mark.parametrize("min_face", [20, 40, 90])
@pytest.mark.parametrize("shape", [(512, 512), (333, 501), (511, 90)], ids=str)
def test_the_canvas_equals_that_of_opencv(
    shape: tuple[int, int], min_face: float, astronaut: Pixels
) -> None:
    image = np.ascontiguousarray(astronaut[: shape[0], : shape[1]])
    layout = build_layout(image.shape[1], image.shape[0], min_face, FACTOR)
    expected = Mipmap(image).canvas(layout).astype(int)
    ours = DeviceImage(image, CPU).canvas(layout).numpy()
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).mean() < 0.3
    assert np.abs(ours - expected).max() <= 3


def test_crops_equal_those_of_opencv(astronaut: Pixels) -> None:
    boxes = np.array(
        [[0, 0, 512, 512], [100, 50, 148, 98], [3, 7, 511, 300], [0, 0, 1, 1], [480, 20, 512, 90]]
    )
    for size in (24, 48):
        expected = Mipmap(astronaut).crops(boxes, size).astype(int)
        ours = DeviceImage(astronaut, CPU).crops(boxes, size).numpy()
        assert np.abs(ours - expected).mean(axis=(1, 2, 3)).max() < 0.5
        assert np.abs(ours - expected).max() <= 4  # remap's coordinates have 5 fractional bits


def test_images_on_the_device_give_the_same_faces(
    unpacked: Callable[[str], Path], astronaut: Pixels, no_face: Pixels
) -> None:
    cascade = pytorch.build_cascade(load_file(unpacked("faces") / MTCNN_FILE), CPU)
    held = cascade._replace(prepare=partial(DeviceImage, device=CPU))
    group = np.ascontiguousarray(np.tile(astronaut[:, :400], (1, 2, 1)))
    images = [astronaut, no_face, group, np.ascontiguousarray(astronaut[:30, :70])]
    expected, found = (FaceDetector(FacesSpec(), c).detect(images) for c in (cascade, held))
    assert [len(faces) for faces in found] == [len(faces) for faces in expected]
    assert sum(len(faces) for faces in found) >= 3
    for theirs, ours in zip(expected, found, strict=True):
        for a, b in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(b.box, a.box, atol=1.5)
            assert b.confidence == pytest.approx(a.confidence, abs=0.01)
