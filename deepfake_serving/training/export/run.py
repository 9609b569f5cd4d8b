"""One export, assembled from its parts: all checks first, the store and manifests last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.training.config.manifest import with_synthesis
from deepfake_serving.training.engine.run_folder import NETWORK
from deepfake_serving.training.export import onnx_graph
from deepfake_serving.training.export.comparison import (
    MAX_PROBABILITY_DIFFERENCE,
    Difference,
    ExportError,
    compare_logits,
)
from deepfake_serving.training.export.half_precision import (
    load_weights,
    read_network,
    serialize,
    to_half,
)
from deepfake_serving.training.export.manifest_entries import (
    require_same_network,
    update_manifest,
)
from deepfake_serving.training.export.openvino_ir import openvino_logits, write_openvino
from deepfake_serving.training.export.provenance import provenance
from deepfake_serving.training.export.sample_crops import sample_crops
from model_handlers.manifest import CalibrationSpec, Manifest, WeightsSpec, read_manifest
from model_handlers.networks.inference import InferenceModule
from model_handlers.pipeline.decode import Pixels

FORMATS = ("safetensors", "onnx", "openvino")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The weights file in the store, its sha256, and the maximum difference of every format."""

    weights: Path
    sha256: str
    checks: tuple[tuple[str, Difference], ...]


def export(
    run: Path,
    model: Path,
    also: Sequence[Path],
    version: str,
    licence: str | None,
    store: Path,
    graphs: Path,
    calibration: Path | None = None,
    formats: Sequence[str] = FORMATS,
    crops: Path | None = None,
    max_difference: float = MAX_PROBABILITY_DIFFERENCE,
) -> ExportResult:
    """Exports the network of a training run and enters it into its manifests.

    The manifests get a synthesis head if the network has one, and lose theirs otherwise.

    Args:
        run: folder of the run; its `network.safetensors` is exported.
        model: manifest of the model; `also`: others with the same network.
        licence: SPDX expression of the weights' licence; None: that of the manifest's weights.
        store: gets `<name>-<version>.safetensors` and `.json`; `graphs`: gets the other formats.
        calibration: JSON with `calibration` and `thresholds`, written by `calibrate`.
        crops: folder of face crops to check on, besides those of a portrait.
        max_difference: maximum difference of a probability.

    Raises:
        ExportError: a check failed or an input is invalid; nothing was written to the store.
    """
    if "safetensors" not in formats or not set(formats) <= set(FORMATS):
        raise ExportError(f"formats: safetensors and any of {FORMATS[1:]}, not {list(formats)}")
    manifest = read_manifest(model)
    licence = licence or _licence(manifest)
    for path in also:
        require_same_network(manifest, read_manifest(path))
    entries = _calibration_entries(calibration)
    scale = CalibrationSpec.model_validate(entries.get("calibration", {}))
    samples = sample_crops(manifest.crop, folder=crops)

    trained = read_network(run / NETWORK, manifest)
    if (synthesis := trained.synthesis is not None) != manifest.head.synthesis:
        manifest = with_synthesis(manifest, synthesis)
        entries["head"] = manifest.head.model_dump(mode="json")
    state = to_half(trained.state_dict())
    shipped = InferenceModule(load_weights(manifest, state), manifest).eval()
    logits = onnx_graph.torch_logits(shipped, samples)
    before = onnx_graph.torch_logits(InferenceModule(trained, manifest).eval(), samples)
    checks = [("safetensors", compare_logits("safetensors", before, logits, scale, max_difference))]
    stem = f"{manifest.name}-{version}"
    for name, converted in _export_graphs(shipped, graphs / stem, samples, formats):
        checks.append((name, compare_logits(name, logits, converted, scale, max_difference)))

    content = serialize(state)
    digest = hashlib.sha256(content).hexdigest()
    weights = WeightsSpec(file=f"{stem}.safetensors", sha256=digest, licence=licence)
    parameters = sum(p.numel() for p in trained.parameters() if p.requires_grad)
    record = provenance(manifest, weights, parameters, run, checks)
    write_whole(store / weights.file, content)
    write_whole(store / f"{stem}.json", json.dumps(record, indent=1).encode() + b"\n")
    for path in (model, *also):
        update_manifest(
            path, {"weights": weights.model_dump(exclude_none=True), **entries}, version
        )
    return ExportResult(store / weights.file, digest, tuple(checks))


def _licence(manifest: Manifest) -> str:
    """Returns the licence of the manifest's weights, from which most training continues.

    Raises:
        ExportError: it has none.
    """
    if manifest.weights is None:
        raise ExportError(f"{manifest.name} has no weights whose licence to keep: use --licence")
    return manifest.weights.licence


def _calibration_entries(path: Path | None) -> dict[str, Any]:
    """Reads the manifest entries of a calibration file, without default values."""
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


def _export_graphs(
    shipped: InferenceModule, stem: Path, samples: Sequence[Pixels], formats: Sequence[str]
) -> list[tuple[str, Any]]:
    """Writes the requested graphs beside `stem` and returns (format, logits (n,)) of each."""
    results: list[tuple[str, Any]] = []
    onnx, xml = (stem.parent / f"{stem.name}.{end}" for end in ("onnx", "xml"))
    if set(formats) - {"safetensors"}:  # OpenVINO's graph is converted from ONNX's
        onnx_graph.write_onnx(shipped, onnx)
        results.append(("onnx", onnx_graph.onnx_logits(onnx, samples)))
    if "openvino" in formats:
        write_openvino(onnx, xml)
        results.append(("openvino", openvino_logits(xml, samples)))
    return results
