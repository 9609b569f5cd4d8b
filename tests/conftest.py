"""Test images, and the models of the project as archives and loaded.

All images are made of one portrait and one image without a face.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from deepfake_serving.packaging.archive import Archive, build_archive, open_archive
from model_handlers.loading import Runtime, load_task
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask
from tests.support.build_cache import built
from tests.support.images import frozen, jpeg
from tests.support.paths import MANIFESTS, MODELS
from tests.support.properties import load_profile

load_profile()
# Also for processes that tests start. Threads of several processes on the same cores would wait
# for each other in busy loops.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Uses one thread: small networks gain nothing from more, and other tests need the cores."""
    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def _pixel_limit() -> Iterator[None]:
    """Restores Pillow's limit, which decoding sets, so that the next test's images can be read."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit


@pytest.fixture(scope="session")
def astronaut() -> Pixels:
    """Eileen Collins (NASA, public domain), 512 x 512, one face of about 90 x 110 pixels."""
    return frozen(skimage.data.astronaut())


@pytest.fixture(scope="session")
def astronaut_jpeg(astronaut: Pixels) -> bytes:
    return jpeg(astronaut)


@pytest.fixture(scope="session")
def three_faces(astronaut: Pixels) -> Pixels:
    """600 x 900 grey with the same head three times: original, mirrored, and at 1.6 times."""
    head = astronaut[:256, 96:352]
    image = np.full((600, 900, 3), 128, np.uint8)
    image[20:276, 20:276] = head
    image[320:576, 40:296] = head[:, ::-1]
    image[100:510, 400:810] = cv2.resize(head, (410, 410), interpolation=cv2.INTER_CUBIC)
    return frozen(image)


@pytest.fixture(scope="session")
def no_face() -> Pixels:
    """A cup of coffee, 400 x 600."""
    return frozen(skimage.data.coffee())


@pytest.fixture(scope="session")
def archives() -> dict[str, Archive]:
    """Returns the archives of all shipped manifests."""

    def build(out: Path) -> None:
        for name in MODELS:
            build_archive(MANIFESTS / f"{name}.yaml", out)

    folder = built("archives", build)
    return {name: open_archive(folder / f"{name}.mar") for name in MODELS}


@pytest.fixture(scope="session")
def untrained_archive() -> Archive:
    """A detector without weights."""
    manifest = MANIFESTS / "variants" / "b0.yaml"
    (path,) = built("untrained", lambda out: build_archive(manifest, out)).glob("*.mar")
    return open_archive(path)


@pytest.fixture(scope="session")
def unpacked(
    archives: dict[str, Archive], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Returns a function that unpacks a model's archive into a folder, once."""
    root = tmp_path_factory.mktemp("unpacked")

    def unpack(name: str) -> Path:
        if not (root / name).exists():
            _unpack(archives[name].path, root / name)
        return root / name

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
def face_detector(faces_task: FacesTask) -> FaceDetector:
    return faces_task.face_detector


@pytest.fixture(scope="session")
def trained_manifest() -> Path:
    """A detector with random weights that, unlike fresh ones, separate images.

    Its weights file is in the same folder.
    """
    return built("trained", _build_trained) / "trained.yaml"


@pytest.fixture(scope="session")
def trained(trained_manifest: Path) -> Path:
    """Returns the folder of the trained detector's unpacked archive."""
    return trained_manifest.parent / "unpacked"


@pytest.fixture(scope="session")
def trained_detector(trained: Path) -> DetectorTask:
    task = load_task(trained, Runtime(device="cpu"))
    assert isinstance(task, DetectorTask)
    return task


def _build_trained(folder: Path) -> None:
    from tests.support.trained import write_trained

    write_trained(folder)
    archive = build_archive(folder / "trained.yaml", folder, folder)
    _unpack(archive.path, folder / "unpacked")


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
