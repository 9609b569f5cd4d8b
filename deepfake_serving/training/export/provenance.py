"""The provenance of exported weights: the JSON file beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import torch

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.engine.run_folder import (
    AVERAGE,
    CHECKPOINT,
    FOLDS,
    LOG,
    NETWORK,
    SYNTHESIS,
    fold_folder,
)
from deepfake_serving.training.export.comparison import Difference
from model_handlers.manifest import Manifest, WeightsSpec

_LIBRARIES = ("torch", "timm", "safetensors", "onnx", "onnxruntime", "openvino")
_NETWORK_ENTRIES: dict[str, Any] = {
    "crop": {"size", "margin"},
    **dict.fromkeys(("noise", "encoder", "head", "reference"), True),
}


def provenance(
    manifest: Manifest,
    weights: WeightsSpec,
    parameters: int,
    run: Path,
    checks: Sequence[tuple[str, Difference]],
) -> dict[str, Any]:
    """Describes weights: digest, network, training run and export checks.

    Args:
        parameters: number of trained parameters.
        run: folder of the training run. `trained` is the digest of its own weights. Entries from a
            missing checkpoint or log are null. `before` describes the run whose weights it started
            from, if any.
        checks: (format, `Difference`) of every format that was written.
    """
    return {
        "weights": weights.model_dump(mode="json", exclude_none=True),
        "trained": digest_of(run / NETWORK),
        "parameters": parameters,
        "network": manifest.model_dump(mode="json", include=_NETWORK_ENTRIES),
        **_stage(run),
        "checks": {name: _rounded(difference) for name, difference in checks},
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _stage(run: Path) -> dict[str, Any]:
    """Describes a run's settings and epochs, without absolute paths.

    With cross-validation these are the first fold's, as folds differ in identities only, and
    `averaged` is the number of folds.
    """
    averaged = len(list(run.glob(f"fold-*/{NETWORK}"))) if (run / FOLDS).is_file() else 0
    folder = fold_folder(run, 0) if averaged else run
    settings, epochs = _read_settings(folder / CHECKPOINT), _read_epochs(folder / LOG)
    initial = Path(settings["initial"]) if settings else Path()
    before = _stage(initial.parent) if initial.is_file() else None
    stage: dict[str, Any] = {"training": _relative(settings), "epochs": epochs, "before": before}
    for file in (AVERAGE, SYNTHESIS):
        if (run / file).is_file():
            stage[Path(file).stem] = json.loads((run / file).read_text(encoding="utf-8"))
    return stage | ({"averaged": averaged} if averaged else {})


def _relative(value: Any) -> Any:
    """Replaces absolute paths by their names, at any depth."""
    if isinstance(value, dict):
        return {name: _relative(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_relative(each) for each in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _read_settings(checkpoint: Path) -> dict[str, Any] | None:
    if not checkpoint.is_file():
        return None
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    settings: dict[str, Any] = json.loads(content["config"])
    return settings


def _read_epochs(log: Path) -> list[Mapping[str, float]] | None:
    if not log.is_file():
        return None
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _rounded(difference: Difference) -> dict[str, float]:
    """Rounds to two significant digits; further ones differ between machines."""
    values = asdict(difference)
    return {k: float(f"{v:.2g}") if isinstance(v, float) else v for k, v in values.items()}
