"""An unpacked archive to a task that is ready to run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from safetensors.torch import load_file

from contracts.verdict import ModelRef
from model_handlers.manifest import (
    MANIFEST_FILE,
    MTCNN_FILE,
    NETWORK_FILE,
    Manifest,
    ManifestError,
    parse_manifest,
    read_manifest,
)
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.faces import FaceFinder
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask, Task


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the place decides rather than the model: device, precision, threads, digests.

    `threads` of 0 leaves the choice to torch and OpenCV. `digests` maps model names to the sha256
    of their archives, which an unpacked archive can't know of itself.
    """

    device: str | None = None
    precision: str | None = None
    threads: int = 0
    digests: dict[str, str] | None = None

    @classmethod
    def from_environment(cls) -> Runtime:
        """As the model server hands it to its workers."""
        return cls(
            device=os.environ.get("DEEPFAKE_WORKER_DEVICE") or None,
            precision=os.environ.get("DEEPFAKE_WORKER_PRECISION") or None,
            threads=int(os.environ.get("DEEPFAKE_WORKER_THREADS", "0")),
            digests=json.loads(os.environ.get("DEEPFAKE_WORKER_DIGESTS", "{}")),
        )


def load_task(directory: Path, runtime: Runtime, gpu: int | None = None) -> Task:
    """Builds the task that `model.json` in `directory` describes.

    Args:
        directory: an unpacked archive.
        runtime: overrides of the place.
        gpu: index of the GPU that this worker was given, if any.

    Raises:
        ManifestError: the manifest is wrong, or asks for a device that is not there.
    """
    manifest = read_manifest(directory / MANIFEST_FILE)
    overrides = {"device": runtime.device, "precision": runtime.precision}
    given = {field: value for field, value in overrides.items() if value}
    manifest = parse_manifest(manifest.model_dump() | given, f"{manifest.name}: {given}")
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
        cv2.setNumThreads(runtime.threads)  # it has threads of its own, one a core
    device = choose_device(manifest, gpu)
    digest = (runtime.digests or {}).get(manifest.name)
    model = ModelRef(manifest.name, manifest.version, digest, manifest.trained)
    if manifest.task == "classifier":
        return ClassifierTask(manifest, model, _classifier(directory, manifest, device))
    finder = FaceFinder(manifest.faces, load_file(directory / MTCNN_FILE), device)
    if manifest.task == "faces":
        return FacesTask(manifest, model, finder)
    return DetectorTask(manifest, model, finder, _classifier(directory, manifest, device))


def choose_device(manifest: Manifest, gpu: int | None) -> torch.device:
    """`auto` takes the GPU where there is one; `cuda` insists on it."""
    available = torch.cuda.is_available()
    if manifest.device == "cuda" and not available:
        raise ManifestError(f"{manifest.name}: device cuda was asked for, but torch sees no GPU")
    if manifest.device == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", gpu or 0)


def _classifier(directory: Path, manifest: Manifest, device: torch.device) -> Classifier:
    weights = load_file(directory / NETWORK_FILE) if manifest.weights is not None else None
    return Classifier(manifest, weights, device)
