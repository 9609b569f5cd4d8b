"""Loading: from an unpacked archive to a task that is ready to run."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2

from deepfake_serving.contracts.verdict import ModelRef
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
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.graph import Cascade, Graph
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask, Task


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings of the worker's environment, which override the manifest's.

    `threads` of 0 leaves the choice to the backend and OpenCV. `digests` maps model names to the
    sha256 of their archives, which can't be computed from an unpacked archive.
    """

    device: str | None = None
    precision: str | None = None
    threads: int = 0
    digests: dict[str, str] | None = None

    @classmethod
    def from_environment(cls) -> Runtime:
        """Reads the variables that the model server sets for its workers."""
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
        runtime: overrides of the manifest.
        gpu: index of the GPU that TorchServe assigned to this worker, if any.

    Raises:
        ManifestError: the manifest is wrong, or names a device that is not available.
    """
    manifest = read_manifest(directory / MANIFEST_FILE)
    overrides = {"device": runtime.device, "precision": runtime.precision}
    given = {field: value for field, value in overrides.items() if value}
    manifest = parse_manifest(manifest.model_dump() | given, f"{manifest.name}: {given}")
    if runtime.threads:
        cv2.setNumThreads(
            runtime.threads
        )  # OpenCV has its own thread pool, one thread per core by default
    cascade, network = _networks(directory, manifest, runtime.threads, gpu)
    digest = (runtime.digests or {}).get(manifest.name)
    model = ModelRef(manifest.name, manifest.version, digest, manifest.trained)
    classifier = Classifier(manifest, network) if network is not None else None
    face_detector = FaceDetector(manifest.faces, cascade) if cascade is not None else None
    if face_detector is None:
        assert classifier is not None
        return ClassifierTask(manifest, model, classifier)
    if classifier is None:
        return FacesTask(manifest, model, face_detector)
    return DetectorTask(manifest, model, face_detector, classifier)


def choose_device(manifest: Manifest, gpu: int | None) -> str:
    """Returns `cpu` or `cuda:n`. `auto` prefers a GPU; `cuda` requires one.

    torch is imported only if there may be a GPU: the import takes seconds, and CPU workers don't
    need it.

    Raises:
        ManifestError: `cuda` is required, but torch finds no GPU.
    """
    requested = "cpu" if manifest.backend == "openvino" else manifest.device
    if requested == "cpu" or (requested == "auto" and gpu is None and not may_have_gpu()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return f"cuda:{gpu or 0}"
    if requested == "cuda":
        raise ManifestError(f"{manifest.name}: device cuda is required, but torch sees no GPU")
    return "cpu"


def may_have_gpu() -> bool:
    """Returns whether NVIDIA's driver is installed and CUDA_VISIBLE_DEVICES hides no GPU."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and shutil.which("nvidia-smi") is not None


def _networks(
    directory: Path, manifest: Manifest, threads: int, gpu: int | None
) -> tuple[Cascade | None, Graph | None]:
    """Loads the networks that the task needs, MTCNN and the classifier, on the chosen backend."""
    device = choose_device(manifest, gpu)
    detects, classifies = manifest.task != "classifier", manifest.task != "faces"
    if manifest.backend == "openvino" or (manifest.backend == "auto" and device == "cpu"):
        from model_handlers.backends import openvino

        return (
            openvino.build_cascade(directory, threads) if detects else None,
            openvino.build_classifier(directory, manifest, threads) if classifies else None,
        )
    import torch
    from safetensors.torch import load_file

    from model_handlers.backends import pytorch

    if threads:
        torch.set_num_threads(threads)
    torch_device = torch.device(device)
    weights = load_file(directory / NETWORK_FILE) if manifest.weights is not None else None
    return (
        pytorch.build_cascade(load_file(directory / MTCNN_FILE), torch_device) if detects else None,
        pytorch.build_classifier(manifest, weights, torch_device) if classifies else None,
    )
