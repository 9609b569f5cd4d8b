"""Archives: reproducible, and self-contained for a worker."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load, load_file

from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.packaging import archive as archive_module
from deepfake_serving.packaging.archive import Archive, build_archive, digest_of, open_archive
from model_handlers.backends import pytorch
from model_handlers.items import Options
from model_handlers.manifest import ManifestError, read_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask
from tests.support.paths import MANIFESTS, ROOT


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(folder: Path, source: Path, **fields: Any) -> Path:
    """Writes a copy of a manifest with some fields changed."""
    copy = folder / f"changed-{source.name}"
    copy.write_text(yaml.safe_dump(yaml.safe_load(source.read_text()) | fields))
    return copy


# Reproducibility ---------------------------------------------------------------------------------


@pytest.fixture
def _another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Varies folder, umask, time zone and order of directory listings."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *a, **k: iter(sorted(glob(*a, **k), reverse=True)))
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_another_place")
@pytest.mark.parametrize("name", ["detector", "faces", "classifier"])
def test_the_same_inputs_give_the_same_bytes(
    name: str, archives: dict[str, Archive], tmp_path: Path
) -> None:
    copy = tmp_path / "renamed.yaml"
    copy.write_bytes(b"# A remark is no input.\n" + (MANIFESTS / f"{name}.yaml").read_bytes())
    os.utime(copy, (0, 0))
    again = build_archive(copy, tmp_path)
    assert again.path.read_bytes() == archives[name].path.read_bytes()
    assert again.digest == archives[name].digest


@pytest.mark.parametrize("name", ["detector", "faces", "classifier"])
def test_the_digest_is_the_sha256_of_the_file(name: str, archives: dict[str, Archive]) -> None:
    archive = archives[name]
    expected = "sha256:" + hashlib.sha256(archive.path.read_bytes()).hexdigest()
    assert archive.digest == digest_of(archive.path) == expected


@pytest.mark.parametrize(
    "fields", [{"version": "1.1"}, {"thresholds": {"fake_above": 0.61}}, {"precision": "bf16"}]
)
def test_another_manifest_gives_another_digest(
    fields: dict[str, Any], archives: dict[str, Archive], tmp_path: Path
) -> None:
    other = build_archive(changed(tmp_path, MANIFESTS / "classifier.yaml", **fields), tmp_path)
    assert other.digest != archives["classifier"].digest


# Contents ----------------------------------------------------------------------------------------

CODE = {
    path.relative_to(ROOT).as_posix()
    for pattern in ("deepfake_serving/contracts/*.py", "model_handlers/**/*.py")
    for path in ROOT.glob(pattern)
} | {"deepfake_serving/__init__.py", "model_handlers/networks/mtcnn.LICENSE.txt"}
FINDING = {f"openvino/{net}.{end}" for net in ("pnet", "rnet", "onet") for end in ("xml", "bin")}
CLASSIFIER = {"openvino/classifier.xml", "openvino/classifier.bin"}
DESCRIPTIONS = {"MAR-INF/MANIFEST.json", "model-config.yaml", "model.json"}


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("detector", {"mtcnn.safetensors", "network.safetensors", *FINDING, *CLASSIFIER}),
        ("faces", {"mtcnn.safetensors", *FINDING}),
        ("classifier", {"network.safetensors", *CLASSIFIER}),
    ],
)
def test_an_archive_contains_only_code_descriptions_and_weights(
    name: str, weights: set[str], archives: dict[str, Archive]
) -> None:
    names = set(contents(archives[name].path))
    assert names == CODE | DESCRIPTIONS | weights
    assert not any("test" in entry for entry in names)


@pytest.mark.parametrize("name", ["detector", "faces", "classifier"])
def test_nothing_in_an_archive_is_a_pickle(name: str, archives: dict[str, Archive]) -> None:
    for entry, data in contents(archives[name].path).items():
        assert Path(entry).suffix in {
            ".py",
            ".txt",
            ".json",
            ".yaml",
            ".safetensors",
            ".xml",
            ".bin",
        }
        assert not data.startswith((b"PK\x03\x04", b"\x80"))  # torch's zip, and a bare pickle


def test_entries_are_sorted_uncompressed_undated_and_readable(archives: dict[str, Archive]) -> None:
    with zipfile.ZipFile(archives["detector"].path) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.external_attr >> 16 == 0o644


def test_the_server_can_read_the_archive(archives: dict[str, Archive]) -> None:
    assert archives["detector"].path.stat().st_mode & 0o777 == 0o644


def test_the_archive_has_the_metadata_of_torchserve(archives: dict[str, Archive]) -> None:
    entries = contents(archives["detector"].path)
    described = json.loads(entries["MAR-INF/MANIFEST.json"])
    assert described["runtime"] == "python"
    assert described["model"] == {
        "modelName": "detector",
        "modelVersion": archives["detector"].manifest.version,
        "handler": "model_handlers.handler",
        "configFile": "model-config.yaml",
    }
    config = yaml.safe_load(entries["model-config.yaml"])
    assert config == {"batchSize": 2, "maxBatchDelay": 1}  # the server sets the number of workers


@pytest.mark.parametrize("name", ["detector", "faces", "classifier"])
def test_the_packed_manifest_includes_every_default(
    name: str, archives: dict[str, Archive], unpacked: Callable[[str], Path]
) -> None:
    manifest = read_manifest(unpacked(name) / "model.json")
    assert manifest == archives[name].manifest == read_manifest(MANIFESTS / f"{name}.yaml")
    data = json.loads((unpacked(name) / "model.json").read_text())
    assert data["decode"] == {
        "max_bytes": 33554432,
        "max_pixels": 8192 * 6144,
        "max_scans": 100,
        "max_chunks": 65_536,
        "max_seconds": 20.0,
    }


def test_the_weights_of_mtcnn_equal_facenet(archives: dict[str, Archive]) -> None:
    found = load(contents(archives["faces"].path)["mtcnn.safetensors"])
    expected: dict[str, torch.Tensor] = {}
    for net in ("pnet", "rnet", "onet"):
        with files("facenet_pytorch").joinpath(f"data/{net}.pt").open("rb") as stream:
            state = torch.load(stream, weights_only=True)
        expected |= {f"{net}.{key}": value for key, value in state.items()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


# Weights -----------------------------------------------------------------------------------------


def test_weights_are_packed_unchanged(trained_manifest: Path, trained: Path) -> None:
    weights = trained_manifest.parent / "network.safetensors"
    assert (trained / "network.safetensors").read_bytes() == weights.read_bytes()


def with_weights(folder: Path, **fields: Any) -> Path:
    weights = {"file": "w.safetensors", "sha256": "0" * 64, "licence": "CC0-1.0"} | fields
    return changed(folder, MANIFESTS / "classifier.yaml", weights=weights)


@pytest.mark.parametrize(
    ("present", "reason"),
    [(True, r"weights\.sha256: w\.safetensors has [0-9a-f]{64}"), (False, r"weights\.file: .*w\.")],
    ids=["another", "missing"],
)
def test_weights_with_a_wrong_digest_leave_no_archive(
    present: bool, reason: str, tmp_path: Path
) -> None:
    if present:
        (tmp_path / "w.safetensors").write_bytes(b"something else")
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match=f"classifier: {reason}"):
        build_archive(with_weights(tmp_path), out, tmp_path)
    assert not out.exists()


def test_an_invalid_manifest_leaves_no_archive(tmp_path: Path) -> None:
    wrong = changed(tmp_path, MANIFESTS / "classifier.yaml", version=1)
    with pytest.raises(ManifestError, match="version"):
        build_archive(wrong, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_torchserve_cannot_serve_leaves_no_archive(
    archives: dict[str, Archive], tmp_path: Path
) -> None:
    reason = "name: TorchServe can't serve names that begin with token"
    named = changed(tmp_path, MANIFESTS / "faces.yaml", name="token-faces")
    with pytest.raises(ManifestError, match=reason):
        build_archive(named, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    manifest = json.loads(contents(archives["faces"].path)["model.json"]) | {"name": "tokens"}
    path = zipped(tmp_path / "tokens.mar", {"model.json": json.dumps(manifest).encode()})
    with pytest.raises(ManifestError, match=reason):
        open_archive(path)


def test_a_failed_build_keeps_the_last_archive_and_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_archive(MANIFESTS / "classifier.yaml", tmp_path)

    def fail(stream: Any, _: object) -> None:
        stream.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(archive_module, "_write_zip", fail)
    with pytest.raises(OSError, match="no space left"):
        build_archive(MANIFESTS / "classifier.yaml", tmp_path)
    assert list(tmp_path.iterdir()) == [first.path]
    assert digest_of(first.path) == first.digest


# Opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["detector", "faces", "classifier"])
def test_a_built_archive_can_be_opened(name: str, archives: dict[str, Archive]) -> None:
    assert open_archive(archives[name].path) == archives[name]


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def test_an_archive_with_damaged_weights_is_refused(
    archives: dict[str, Archive], tmp_path: Path
) -> None:
    damaged = tmp_path / "detector.mar"
    data = bytearray(archives["detector"].path.read_bytes())
    data[data.index(b"openvino/classifier.bin") + 1000] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(ManifestError, match=r"detector\.mar: .* damaged: openvino/classifier\.bin"):
        open_archive(damaged)


@pytest.mark.parametrize("fault", ["missing", "text", "empty zip", "corrupt", "encrypted"])
def test_a_file_that_is_not_an_archive_is_refused_with_its_path(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "model.mar"
    if fault == "text":
        path.write_text("I am not an archive.")
    elif fault == "empty zip":
        zipped(path, {})
    elif fault in ("corrupt", "encrypted"):
        data = bytearray(zipped(path, {"model.json": b'{"name": "x"}'}).read_bytes())
        if fault == "corrupt":
            data[data.index(b'"x"') + 1] ^= 1
        else:
            data[6] |= 1
            data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
    with pytest.raises(ManifestError, match=rf"{path}: not a model archive"):
        open_archive(path)


@pytest.mark.parametrize("content", [b"{}", b"[", b"\xff\xfe"])
def test_an_archive_with_an_invalid_manifest_is_refused_with_its_path(
    content: bytes, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "model.mar", {"model.json": content})
    with pytest.raises(ManifestError) as caught:
        open_archive(path)
    assert str(caught.value).startswith(f"{path}: model.json: ")


# Alone -------------------------------------------------------------------------------------------

WORKER = """
import json, sys, types
from pathlib import Path

import model_handlers.handler as handler

class Context:
    system_properties = {"model_dir": sys.argv[1], "gpu_id": None}
    get_all_request_header = lambda self, index: {"x-request-id": "alone"}
    set_response_header = set_response_content_type = lambda self, *_: None

context = Context()
assert handler.handle(None, context) is None
(response,) = handler.handle([{"body": Path(sys.argv[2]).read_bytes()}], context)
ours = {"contracts", "model_handlers", "model_store", "model_server", "deepfake_serving", "tests"}
print(json.dumps({
    "response": json.loads(response),
    "torch": "torch" in sys.modules,
    "files": {
        name: module.__file__ for name, module in sys.modules.items()
        if name.partition(".")[0] in ours
    },
}))
"""


@pytest.fixture(scope="module")
def worker(
    trained: Path, astronaut_jpeg: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Runs a process with only the unpacked archive; returns its response and its imports."""
    cwd = tmp_path_factory.mktemp("worker")
    (cwd / "image.jpeg").write_bytes(astronaut_jpeg)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(trained),
        "DEEPFAKE_WORKER_DEVICE": "cpu",
        "DEEPFAKE_WORKER_THREADS": "1",
        "DEEPFAKE_WORKER_DIGESTS": json.dumps({"trained": "sha256:" + "5" * 64}),
    }
    completed = subprocess.run(
        [sys.executable, "-c", WORKER, str(trained), "image.jpeg"],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return dict(json.loads(completed.stdout))


def test_an_archive_runs_with_its_own_code_only(worker: dict[str, Any], trained: Path) -> None:
    assert worker["files"]["model_handlers"] == str(trained / "model_handlers/__init__.py")
    assert all(Path(file).is_relative_to(trained) for file in worker["files"].values())


def test_an_archive_needs_no_torch_on_a_cpu(worker: dict[str, Any]) -> None:
    assert not worker["torch"]


@pytest.mark.parametrize(
    ("backend", "absent"), [("torch", FINDING | CLASSIFIER), ("openvino", {"mtcnn.safetensors"})]
)
def test_an_archive_for_one_backend_contains_only_its_files(
    backend: str, absent: set[str], tmp_path: Path
) -> None:
    manifest = yaml.safe_load((MANIFESTS / "faces.yaml").read_text()) | {"backend": backend}
    (tmp_path / "faces.yaml").write_text(yaml.safe_dump(manifest))
    names = set(contents(build_archive(tmp_path / "faces.yaml", tmp_path).path))
    assert not names & absent
    assert names & ({"mtcnn.safetensors"} | FINDING)


def test_an_archive_classifies_an_image_without_the_project(worker: dict[str, Any]) -> None:
    response = worker["response"]
    assert response["id"] == "alone"
    assert len(response["faces"]) == 1
    assert response["model"] == {
        "name": "trained",
        "version": read_manifest(MANIFESTS / "detector.yaml").version,
        "digest": "sha256:" + "5" * 64,
        "trained": True,
    }


def test_two_processes_return_the_same_result(
    worker: dict[str, Any], trained_detector: DetectorTask, astronaut_jpeg: bytes
) -> None:
    (outcome,) = trained_detector.run([astronaut_jpeg], [Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict)
    (face,), (expected,) = worker["response"]["faces"], outcome.faces
    assert face["fake_probability"] == pytest.approx(expected.fake_probability, abs=1e-5)
    assert {**face, "fake_probability": 0, "models": {}} == dataclasses.asdict(
        dataclasses.replace(expected, fake_probability=0, models={})
    )


def test_the_response_comes_from_the_packed_weights(
    trained: Path, trained_detector: DetectorTask, detector: DetectorTask, astronaut: Pixels
) -> None:
    packed = load_file(trained / "network.safetensors")
    crops = [np.ascontiguousarray(astronaut[y : y + 224, 100:324]) for y in (0, 20, 120, 280)]
    with_weights, without = (
        task.classifier.logits(crops, Stopwatch()) for task in (trained_detector, detector)
    )
    by_torch = pytorch.build_classifier(trained_detector.manifest, packed, torch.device("cpu"))
    np.testing.assert_allclose(with_weights, by_torch(np.stack(crops))[0], atol=1e-3)
    assert np.abs(with_weights - without).max() > 0.5
