"""What is known of exported weights, as the JSON file that lies beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import torch

from model_handlers.manifest import Manifest, WeightsSpec
from model_store.archive import digest_of
from training.export.check import Difference
from training.trainer import CHECKPOINT, LOG, NETWORK

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
            checkpoint or log their parts are null.
        checks: (format, `Difference`) of every format that was written.
    """
    network = ("crop", "noise", "encoder", "head", "reference")
    return {
        "weights": weights.model_dump(mode="json"),
        "trained": digest_of(run / NETWORK),
        "parameters": parameters,
        "network": manifest.model_dump(mode="json", include=set(network)),
        "training": _training(run / CHECKPOINT),
        "epochs": _epochs(run / LOG),
        "checks": {name: _rounded(difference) for name, difference in checks},
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _training(checkpoint: Path) -> dict[str, Any] | None:
    """The run's settings. Of a file that it started from only the name is told, not the place."""
    if not checkpoint.is_file():
        return None
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    spec: dict[str, Any] = json.loads(state["spec"])
    for name in ("initial", "model"):
        if PurePath(spec[name]).is_absolute():
            spec[name] = PurePath(spec[name]).name
    return spec


def _epochs(log: Path) -> list[Mapping[str, float]] | None:
    if not log.is_file():
        return None
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _rounded(difference: Difference) -> dict[str, float]:
    """Two significant digits: the rest differs from machine to machine."""
    figures = asdict(difference)
    return {k: float(f"{v:.2g}") if isinstance(v, float) else v for k, v in figures.items()}
