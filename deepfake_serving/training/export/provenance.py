"""What is known of exported weights, as the JSON file that lies beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import torch

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.export.check import Difference
from deepfake_serving.training.folds import RECORD, folder
from deepfake_serving.training.trainer import CHECKPOINT, LOG, NETWORK
from model_handlers.manifest import Manifest, WeightsSpec

_LIBRARIES = ("torch", "timm", "safetensors", "onnx", "onnxruntime", "openvino")


def provenance(
    manifest: Manifest,
    weights: WeightsSpec,
    parameters: int,
    run: Path,
    checks: Sequence[tuple[str, Difference]],
) -> dict[str, Any]:
    """Everything but the weights: their digest, what they are of, how they came to be, the checks.

    Args:
        parameters: how many numbers are learnt.
        run: the training run's folder; `trained` is the digest of its own weights. Without its
            checkpoint or log their parts are null. `before` is the same of the run whose weights it
            started from, if it did.
        checks: (format, `Difference`) of every format that was written.
    """
    network = ("crop", "noise", "encoder", "head", "reference")
    return {
        "weights": weights.model_dump(mode="json"),
        "trained": digest_of(run / NETWORK),
        "parameters": parameters,
        "network": manifest.model_dump(mode="json", include=set(network)),
        **_stage(run),
        "checks": {name: _rounded(difference) for name, difference in checks},
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _stage(run: Path) -> dict[str, Any]:
    """A run's settings and epochs; of folds the first's, and how many there are, as they differ in
    people only. Of a file that it started from only the name is told."""
    averaged = len(list(run.glob(f"fold-*/{NETWORK}"))) if (run / RECORD).is_file() else 0
    one = folder(run, 0) if averaged else run
    settings, epochs = _settings(one / CHECKPOINT), _epochs(one / LOG)
    initial = Path(settings["initial"]) if settings else Path()
    before = _stage(initial.parent) if initial.is_file() else None
    if settings:
        for name in ("initial", "model"):
            if PurePath(settings[name]).is_absolute():
                settings[name] = PurePath(settings[name]).name
    stage = {"training": settings, "epochs": epochs, "before": before}
    return stage | ({"averaged": averaged} if averaged else {})


def _settings(checkpoint: Path) -> dict[str, Any] | None:
    if not checkpoint.is_file():
        return None
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    settings: dict[str, Any] = json.loads(state["spec"])
    return settings


def _epochs(log: Path) -> list[Mapping[str, float]] | None:
    if not log.is_file():
        return None
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _rounded(difference: Difference) -> dict[str, float]:
    """Two significant digits: the rest differs from machine to machine."""
    figures = asdict(difference)
    return {k: float(f"{v:.2g}") if isinstance(v, float) else v for k, v in figures.items()}
