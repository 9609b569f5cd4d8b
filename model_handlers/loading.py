"""An unpacked archive to a task that is ready to run."""

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
from model_handlers.pipeline.faces import FaceFinder
from model_handlers.pipeline.graph import Cascade, Graph
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask, Task


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the place decides rather than the model: device, precision, threads, digests.

    `threads` of 0 leaves the choice to the backend and OpenCV. `digests` maps model names to the
    sha256 of their archives, which an unpacked archive can't know of itself.
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
        cv2.setNumThreads(runtime.threads)  # it has threads of its own, one a core
    cascade, judge = _networks(directory, manifest, runtime.threads, gpu)
    digest = (runtime.digests or {}).get(manifest.name)
    model = ModelRef(manifest.name, manifest.version, digest, manifest.trained)
    classifier = Classifier(manifest, judge) if judge is not None else None
    finder = FaceFinder(manifest.faces, cascade) if cascade is not None else None
    if finder is None:
        assert classifier is not None
        return ClassifierTask(manifest, model, classifier)
    if classifier is None:
        return FacesTask(manifest, model, finder)
    return DetectorTask(manifest, model, finder, classifier)


def choose_device(manifest: Manifest, gpu: int | None) -> str:
    """`cpu` or `cuda:n`. `auto` takes the GPU where there is one; `cuda` insists on it.

    torch is asked only where there may be a GPU: importing it takes seconds, and a CPU's workers do
    without it.
    """
    wanted = "cpu" if manifest.backend == "openvino" else manifest.device
    if wanted == "cpu" or (wanted == "auto" and gpu is None and not may_have_gpu()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return f"cuda:{gpu or 0}"
    if wanted == "cuda":
        raise ManifestError(f"{manifest.name}: device cuda was asked for, but torch sees no GPU")
    return "cpu"


def may_have_gpu() -> bool:
    """Whether NVIDIA's driver is installed, and nobody has hidden its GPUs from this process."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and shutil.which("nvidia-smi") is not None


def _networks(
    directory: Path, manifest: Manifest, threads: int, gpu: int | None
) -> tuple[Cascade | None, Graph | None]:
    """MTCNN's and the judging network, as far as the task has them, on the backend it runs on."""
    device = choose_device(manifest, gpu)
    finds, judges = manifest.task != "classifier", manifest.task != "faces"
    if manifest.backend == "openvino" or (manifest.backend == "auto" and device == "cpu"):
        from model_handlers.backends import openvino

        return (
            openvino.cascade(directory, threads) if finds else None,
            openvino.judge(directory, manifest, threads) if judges else None,
        )
    import torch
    from safetensors.torch import load_file

    from model_handlers.backends import pytorch

    if threads:
        torch.set_num_threads(threads)
    place = torch.device(device)
    weights = load_file(directory / NETWORK_FILE) if manifest.weights is not None else None
    return (
        pytorch.cascade(load_file(directory / MTCNN_FILE), place) if finds else None,
        pytorch.judge(manifest, weights, place) if judges else None,
    )
