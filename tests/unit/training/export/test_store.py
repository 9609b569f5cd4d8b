"""Exports into the store: comments are kept, exports are atomic, archives can be packed."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from typer.testing import CliRunner

from deepfake_serving.packaging.archive import build_archive
from deepfake_serving.training.cli import app
from deepfake_serving.training.engine.run_folder import CHECKPOINT, LOG, NETWORK
from deepfake_serving.training.export.comparison import ExportError
from deepfake_serving.training.export.half_precision import serialize
from deepfake_serving.training.export.manifest_entries import edit_manifest, update_manifest
from deepfake_serving.training.export.run import export
from model_handlers.manifest import ManifestError, read_manifest
from model_handlers.networks.network import build_network

MANIFEST = """\
# A tiny one.
name: tiny
version: "1.0"   # of the model
task: classifier

crop: {size: 64, margin: 1.3}
encoder: {architecture: test_efficientnet}

# No trained weights yet: every response has `trained: false`.
weights: null
calibration: {method: identity}  # fitted later
thresholds:
  suspicious_from: 0.40
  fake_above: 0.60

precision: fp32  # exact
"""
WEIGHTS = {"file": "tiny-1.0.safetensors", "sha256": "0" * 64, "licence": "CC BY 4.0: a, #1"}
PLATT = {"method": "platt", "slope": 1.5, "intercept": -0.25}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a run's folder with untrained weights, a checkpoint and a log."""
    folder = tmp_path_factory.mktemp("run")
    source = folder / "tiny.yaml"
    source.write_text(MANIFEST)
    state = build_network(read_manifest(source)).state_dict()
    (folder / "network.safetensors").write_bytes(serialize(state))
    teachers = [{"weights": "/some/place/teacher.safetensors", "scale": 0.5}]
    spec = {
        "model": "config/models/tiny.yaml",
        "initial": "/some/place/start.safetensors",
        "distillation": {"teachers": teachers},
    }
    torch.save({"config": json.dumps(spec)}, folder / "checkpoint.pt")
    (folder / "log.jsonl").write_text('{"epoch": 1, "loss": 0.7}\n')
    return folder


def export_run(run: Path, model: Path, root: Path, **options: Any) -> Any:
    options = {"also": [], "formats": ["safetensors"]} | options
    also, formats = options.pop("also"), options.pop("formats")
    return export(
        run,
        model,
        also,
        "1.0",
        "Apache-2.0",
        root / "store",
        root / "graphs",
        formats=formats,
        **options,
    )


# Editing -----------------------------------------------------------------------------------------


def test_editing_keeps_every_other_line(manifest: Path) -> None:
    thresholds = {"suspicious_from": 0.3, "fake_above": 0.7}
    entries = {"weights": WEIGHTS, "calibration": PLATT, "thresholds": thresholds}
    found = update_manifest(manifest, entries, "1.0")
    assert found.weights is not None
    assert found.weights.model_dump(exclude_none=True) == WEIGHTS
    assert (found.calibration.slope, found.thresholds.fake_above) == (1.5, 0.7)
    before, after = MANIFEST.splitlines(), manifest.read_text().splitlines()
    kept = [line for line in before if line in after]
    assert kept == [*before[:8], "", "precision: fp32  # exact"]
    assert "No trained weights" not in manifest.read_text()
    assert "calibration: {method: platt, slope: 1.5, intercept: -0.25}  # fitted later" in after
    assert after.index("precision: fp32  # exact") == len(after) - 1


def test_editing_is_idempotent(manifest: Path) -> None:
    entries = {"weights": WEIGHTS | {"licence": "Apache-2.0"}, "calibration": PLATT}
    update_manifest(manifest, entries, "1.0")
    once = manifest.read_text()
    update_manifest(manifest, entries, "1.0")
    assert manifest.read_text() == once
    assert edit_manifest(once, entries) == once


def test_the_version_is_that_of_the_export(manifest: Path) -> None:
    found = update_manifest(manifest, {"weights": WEIGHTS}, "1.10")
    assert found.version == "1.10"
    assert 'version: "1.10"  # of the model' in manifest.read_text()


def test_a_missing_entry_is_added() -> None:
    assert edit_manifest("name: tiny\n", {"calibration": PLATT}).splitlines() == [
        "name: tiny",
        "calibration: {method: platt, slope: 1.5, intercept: -0.25}",
    ]


@pytest.mark.parametrize(
    "entries", [{"weights": {"file": "no"}}, {"calibration": {"slope": -1}}, {"name": {"a": 1}}]
)
def test_entries_that_would_break_the_manifest_are_refused(
    manifest: Path, entries: dict[str, dict[str, Any]]
) -> None:
    with pytest.raises(ExportError):
        update_manifest(manifest, entries, "1.0")
    assert manifest.read_text() == MANIFEST
    assert list(manifest.parent.iterdir()) == [manifest]


# Exporting ---------------------------------------------------------------------------------------


def test_an_export_is_packed_and_a_changed_one_is_not(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    calibration = tmp_path / "calibration.json"
    thresholds = {"suspicious_from": 0.35, "fake_above": 0.65}
    calibration.write_text(json.dumps({"calibration": PLATT, "thresholds": thresholds, "more": 1}))
    done = export_run(trained, manifest, tmp_path, calibration=calibration)
    archive = build_archive(manifest, tmp_path / "archives", tmp_path / "store")
    assert archive.manifest.trained
    assert archive.manifest.calibration.method == "platt"
    assert archive.manifest.thresholds.fake_above == 0.65
    with zipfile.ZipFile(archive.path) as packed:
        content = packed.read("network.safetensors")
    assert hashlib.sha256(content).hexdigest() == done.sha256
    build_network(archive.manifest).load_state_dict(load(content))

    flipped = bytearray(content)
    flipped[-1] ^= 1
    done.weights.write_bytes(flipped)
    with pytest.raises(ManifestError, match="sha256"):
        build_archive(manifest, tmp_path / "archives", tmp_path / "store")


def test_provenance_contains_settings_and_no_paths(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    done = export_run(trained, manifest, tmp_path)
    text = (tmp_path / "store" / "tiny-1.0.json").read_text()
    known = json.loads(text)
    assert known["weights"]["sha256"] == done.sha256
    assert known["training"]["initial"] == "start.safetensors"
    assert known["epochs"] == [{"epoch": 1, "loss": 0.7}]
    assert known["checks"]["safetensors"]["probability"] <= 1e-3
    assert known["trained"].startswith("sha256:")
    assert str(tmp_path) not in text
    teachers = known["training"]["distillation"]["teachers"]
    assert teachers == [{"weights": "teacher.safetensors", "scale": 0.5}]
    assert "/some/place" not in text


def test_provenance_includes_every_run_back_to_the_first(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    shutil.copytree(trained, second)
    state = torch.load(second / CHECKPOINT, weights_only=True)
    settings = json.loads(state["config"]) | {"initial": str(trained / NETWORK)}
    torch.save(state | {"config": json.dumps(settings)}, second / CHECKPOINT)
    (second / LOG).write_text('{"epoch": 1, "loss": 0.4}\n')
    export_run(second, manifest, tmp_path)
    text = (tmp_path / "store" / "tiny-1.0.json").read_text()
    known = json.loads(text)
    assert known["training"]["initial"] == NETWORK
    assert known["epochs"] == [{"epoch": 1, "loss": 0.4}]
    assert known["before"]["training"]["initial"] == "start.safetensors"
    assert known["before"]["epochs"] == [{"epoch": 1, "loss": 0.7}]
    assert known["before"]["before"] is None
    assert str(tmp_path) not in text


def test_the_provenance_of_an_average_lists_its_folds(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    run = tmp_path / "folds"
    for fold in ("fold-0", "fold-1"):
        shutil.copytree(trained, run / fold)
    shutil.copy(trained / NETWORK, run / NETWORK)
    (run / "folds.json").write_text("{}")
    export_run(run, manifest, tmp_path)
    known = json.loads((tmp_path / "store" / "tiny-1.0.json").read_text())
    assert known["averaged"] == 2
    assert known["epochs"] == [{"epoch": 1, "loss": 0.7}]
    assert known["training"]["initial"] == "start.safetensors"


def test_manifests_of_one_network_get_the_same_weights(
    trained: Path, manifest: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(MANIFEST.replace("name: tiny", "name: other"))
    export_run(trained, manifest, tmp_path, also=[other])
    assert read_manifest(manifest).weights == read_manifest(other).weights is not None

    other.write_text(MANIFEST.replace("size: 64", "size: 96"))
    with pytest.raises(ExportError, match="crop"):
        export_run(trained, manifest, tmp_path, also=[other])


def test_a_refused_export_changes_no_file(trained: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="limit"):
        export_run(trained, manifest, tmp_path, max_difference=1e-12)
    with pytest.raises(ExportError, match="formats"):
        export_run(trained, manifest, tmp_path, formats=["safetensors", "tflite"])
    assert manifest.read_text() == MANIFEST
    assert not (tmp_path / "store").exists()


def test_the_command_exports_every_format(trained: Path, manifest: Path, tmp_path: Path) -> None:
    folders = ["--out", str(tmp_path / "store"), "--graphs", str(tmp_path / "graphs")]
    command = ["export", str(trained), "--model", str(manifest), *folders]
    unknown = CliRunner().invoke(app, command)
    assert unknown.exit_code == 2
    assert "no weights whose licence to keep" in unknown.output
    licensed = CliRunner().invoke(app, [*command, "--licence", "CC0-1.0"])
    assert licensed.exit_code == 0, licensed.output
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    weights = read_manifest(manifest).weights
    assert weights is not None
    assert weights.licence == "CC0-1.0"
    assert [line.split(":")[0] for line in result.output.splitlines()[:3]] == [
        "safetensors",
        "onnx",
        "openvino",
    ]
    names = sorted(p.name for p in (tmp_path / "graphs").iterdir())
    assert names == ["tiny-1.0.bin", "tiny-1.0.onnx", "tiny-1.0.xml"]
    refused = CliRunner().invoke(app, [*command, "--bound", "1e-12"])
    assert refused.exit_code == 2
    assert "limit" in refused.output
