"""One export, put together from its parts: checked first, entered into the store last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.training.export import graph
from deepfake_serving.training.export.check import (
    PROBABILITY_BOUND,
    Difference,
    ExportError,
    compare,
)
from deepfake_serving.training.export.entry import enter, require_same_network, write_atomically
from deepfake_serving.training.export.half import filled, halved, read_network, serialise
from deepfake_serving.training.export.openvino_ir import openvino_logits, write_openvino
from deepfake_serving.training.export.provenance import provenance
from deepfake_serving.training.export.samples import sample_crops
from deepfake_serving.training.trainer import NETWORK
from model_handlers.manifest import CalibrationSpec, Manifest, WeightsSpec, read_manifest
from model_handlers.networks.inference import InferenceModule
from model_handlers.pipeline.decode import Pixels

FORMATS = ("safetensors", "onnx", "openvino")


@dataclass(frozen=True, slots=True)
class Exported:
    """The weights' file in the store, their sha256, and what every format changed at most."""

    weights: Path
    sha256: str
    checks: tuple[tuple[str, Difference], ...]


def export(
    run: Path,
    model: Path,
    also: Sequence[Path],
    version: str,
    licence: str,
    store: Path,
    graphs: Path,
    calibration: Path | None = None,
    formats: Sequence[str] = FORMATS,
    crops: Path | None = None,
    bound: float = PROBABILITY_BOUND,
) -> Exported:
    """Exports the network of a training run, and enters it into its manifests.

    Args:
        run: folder of the run; its `network.safetensors` is exported.
        model: manifest of the model; `also`: others with the same network.
        licence: SPDX expression of the weights' licence.
        store: gets `<name>-<version>.safetensors` and `.json`; `graphs`: gets the other formats.
        calibration: JSON with `calibration` and `thresholds`, as `calibrate` writes it.
        crops: folder of face crops to check on, besides those of a portrait.
        bound: largest difference of a probability.

    Raises:
        ExportError: nothing was entered, because a check failed or an input is wrong.
    """
    if "safetensors" not in formats or not set(formats) <= set(FORMATS):
        raise ExportError(f"formats: safetensors and any of {FORMATS[1:]}, not {list(formats)}")
    manifest = read_manifest(model)
    for path in also:
        require_same_network(manifest, read_manifest(path))
    fitted = _fitted(calibration)
    scale = CalibrationSpec.model_validate(fitted.get("calibration", {}))
    samples = sample_crops(manifest.crop, folder=crops)

    trained = read_network(run / NETWORK, manifest)
    state = halved(trained.state_dict())
    shipped = InferenceModule(filled(manifest, state), manifest).eval()
    logits = graph.torch_logits(shipped, samples)
    before = graph.torch_logits(InferenceModule(trained, manifest).eval(), samples)
    checks = [("safetensors", compare("safetensors", before, logits, scale, bound))]
    stem = f"{manifest.name}-{version}"
    for name, found in _graphs(shipped, graphs / stem, samples, formats):
        checks.append((name, compare(name, logits, found, scale, bound)))

    content = serialise(state)
    digest = hashlib.sha256(content).hexdigest()
    weights = WeightsSpec(file=f"{stem}.safetensors", sha256=digest, licence=licence)
    parameters = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    known = provenance(manifest, weights, parameters, run, checks)
    write_atomically(store / weights.file, content)
    write_atomically(store / f"{stem}.json", json.dumps(known, indent=1).encode() + b"\n")
    for path in (model, *also):
        enter(path, {"weights": weights.model_dump(), **fitted})
    return Exported(store / weights.file, digest, tuple(checks))


def _fitted(path: Path | None) -> dict[str, Any]:
    """The entries that a calibration file sets, less what is the default anyway."""
    if path is None:
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    checked = Manifest.model_validate(
        {"name": "calibration", "version": "1.0", "task": "classifier"}
        | {k: content[k] for k in ("calibration", "thresholds") if k in content}
    )
    entries = {}
    if "calibration" in content:
        spec = checked.calibration.model_dump(mode="json", exclude_defaults=True)
        entries["calibration"] = {"method": checked.calibration.method} | spec
    if "thresholds" in content:
        entries["thresholds"] = checked.thresholds.model_dump(mode="json")
    return entries


def _graphs(
    shipped: InferenceModule, stem: Path, samples: Sequence[Pixels], formats: Sequence[str]
) -> list[tuple[str, Any]]:
    """Writes the asked-for graphs beside `stem`; (format, logits (n,)) of each."""
    found: list[tuple[str, Any]] = []
    onnx, xml = (stem.parent / f"{stem.name}.{end}" for end in ("onnx", "xml"))
    if set(formats) - {"safetensors"}:  # OpenVINO's graph is made of ONNX's
        graph.write_onnx(shipped, onnx)
        found.append(("onnx", graph.onnx_logits(onnx, samples)))
    if "openvino" in formats:
        write_openvino(onnx, xml)
        found.append(("openvino", openvino_logits(xml, samples)))
    return found
