"""What several test files share: one photograph with a face, pictures made of it, loaded models."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from model_handlers.loading import Runtime, load_task
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceFinder
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask
from model_store.archive import Archive, build_archive

MANIFESTS = Path(__file__).resolve().parent.parent / "config" / "models"
MODELS = ("detector", "faces", "classifier")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Small nets on small pictures are not faster on more, and other work wants the cores."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """Eileen Collins (NASA, public domain), 512 x 512, one face of about 90 x 110 pixels."""
    return _frozen(skimage.data.astronaut())


@pytest.fixture(scope="session")
def astronaut_jpeg(astronaut: Pixels) -> bytes:
    return jpeg(astronaut)


@pytest.fixture(scope="session")
def three_faces(astronaut: Pixels) -> Pixels:
    """600 x 900 grey with the same head three times: as it is, mirrored, and at 1.6 times."""
    head = astronaut[:256, 96:352]
    picture = np.full((600, 900, 3), 128, np.uint8)
    picture[20:276, 20:276] = head
    picture[320:576, 40:296] = head[:, ::-1]
    picture[100:510, 400:810] = cv2.resize(head, (410, 410), interpolation=cv2.INTER_CUBIC)
    return _frozen(picture)


@pytest.fixture(scope="session")
def no_face() -> Pixels:
    """A cup of coffee, 400 x 600."""
    return _frozen(skimage.data.coffee())


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Archive]:
    """The archives of the manifests that the project ships."""
    out = tmp_path_factory.mktemp("archives")
    return {name: build_archive(MANIFESTS / f"{name}.yaml", out) for name in MODELS}


@pytest.fixture(scope="session")
def unpacked(
    archives: dict[str, Archive], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A model's name to the folder that its archive was unpacked into."""
    root = tmp_path_factory.mktemp("unpacked")

    def unpack(name: str) -> Path:
        folder = root / name
        if not folder.exists():
            with zipfile.ZipFile(archives[name].path) as archive:
                archive.extractall(folder)
        return folder

    return unpack


@pytest.fixture(scope="session")
def detector(unpacked: Callable[[str], Path]) -> DetectorTask:
    task = load_task(unpacked("detector"), Runtime(device="cpu"))
    assert isinstance(task, DetectorTask)
    return task


@pytest.fixture(scope="session")
def faces_task(unpacked: Callable[[str], Path]) -> FacesTask:
    task = load_task(unpacked("faces"), Runtime(device="cpu"))
    assert isinstance(task, FacesTask)
    return task


@pytest.fixture(scope="session")
def classifier_task(unpacked: Callable[[str], Path]) -> ClassifierTask:
    task = load_task(unpacked("classifier"), Runtime(device="cpu"))
    assert isinstance(task, ClassifierTask)
    return task


@pytest.fixture(scope="session")
def finder(faces_task: FacesTask) -> FaceFinder:
    return faces_task.finder


def jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _frozen(pixels: Pixels) -> Pixels:
    """Read-only, so that no test can spoil what the next one gets."""
    pixels.flags.writeable = False
    return pixels
