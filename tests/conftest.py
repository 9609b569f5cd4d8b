"""What several test files share: one photograph with a face, pictures made of it, loaded models."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from deepfake_serving.packaging.archive import Archive, build_archive
from model_handlers.loading import Runtime, load_task
from model_handlers.manifest import parse_manifest
from model_handlers.networks.network import build_network
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.faces import FaceFinder
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask

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
def untrained_archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A detector without weights."""
    return build_archive(MANIFESTS / "variants" / "b0.yaml", tmp_path_factory.mktemp("untrained"))


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
def trained_manifest(
    astronaut: Pixels, no_face: Pixels, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A detector whose weights nobody trained, but which, unlike fresh ones, tell pictures apart.

    Its weights file lies beside it.
    """
    folder = tmp_path_factory.mktemp("trained")
    data = yaml.safe_load((MANIFESTS / "detector.yaml").read_text())
    network = build_network(parse_manifest(data, "detector.yaml"), seed=7)
    places = [(y, x) for y in (0, 100, 160) for x in (0, 150, 280)]
    crops = [
        picture[y : y + 224, x : x + 224] for y, x in places for picture in (astronaut, no_face)
    ]
    batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # statistics of this very batch
        network.train()(batch)
        logits = network.eval()(batch)
        network.head.linear.weight *= 2 / logits.std()
        network.head.linear.bias -= (logits * 2 / logits.std()).mean()
    weights = folder / "network.safetensors"
    save_file(network.state_dict(), weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    data["name"] = "trained"
    data["weights"] = {"file": weights.name, "sha256": digest, "licence": "CC0-1.0"}
    manifest = folder / "trained.yaml"
    manifest.write_text(yaml.safe_dump(data))
    return manifest


@pytest.fixture(scope="session")
def trained(trained_manifest: Path) -> Path:
    """The folder that the trained detector's archive was unpacked into."""
    archive = build_archive(trained_manifest, trained_manifest.parent, trained_manifest.parent)
    folder = trained_manifest.parent / "unpacked"
    with zipfile.ZipFile(archive.path) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def trained_detector(trained: Path) -> DetectorTask:
    task = load_task(trained, Runtime(device="cpu"))
    assert isinstance(task, DetectorTask)
    return task


@pytest.fixture(scope="session")
def finder(faces_task: FacesTask) -> FaceFinder:
    return faces_task.finder


def doubled(pixels: Pixels) -> Pixels:
    """Twice as wide and high: faces of which a crop of 224 pixels holds no more than the picture.

    A crop doesn't tell how many pixels its face had before it was cut.
    """
    return cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def jpeg(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _frozen(pixels: Pixels) -> Pixels:
    """Read-only, so that no test can spoil what the next one gets."""
    pixels.flags.writeable = False
    return pixels
