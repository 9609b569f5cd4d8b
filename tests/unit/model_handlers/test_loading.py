"""Loading a task from an unpacked archive, with overrides of the environment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch

from model_handlers import loading
from model_handlers.backends.openvino import OpenVINOGraph
from model_handlers.loading import Runtime, choose_device, load_task, may_have_gpu
from model_handlers.manifest import ManifestError, parse_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.tasks import ClassifierTask, DetectorTask, FacesTask

Unpacked = Callable[[str], Path]


@pytest.fixture
def with_backend(unpacked: Unpacked, tmp_path: Path) -> Callable[[str], Path]:
    """Returns the folder of `faces` with another backend in its manifest."""

    def change(backend: str) -> Path:
        folder = tmp_path / backend
        shutil.copytree(unpacked("faces"), folder)
        manifest = json.loads((folder / "model.json").read_text()) | {"backend": backend}
        (folder / "model.json").write_text(json.dumps(manifest))
        return folder

    return change


@pytest.mark.parametrize(
    ("name", "kind"),
    [("detector", DetectorTask), ("faces", FacesTask), ("classifier", ClassifierTask)],
)
def test_the_manifest_determines_the_task(name: str, kind: type, unpacked: Unpacked) -> None:
    task = load_task(unpacked(name), Runtime(device="cpu"))
    assert type(task) is kind
    assert task.manifest.name == name


def test_the_loaded_model_has_the_given_digest(unpacked: Unpacked) -> None:
    runtime = Runtime(device="cpu", digests={"faces": "sha256:abc", "detector": "sha256:def"})
    task = load_task(unpacked("faces"), runtime)
    assert isinstance(task, FacesTask)
    assert (task.model.name, task.model.version) == ("faces", "1.1")
    assert (task.model.digest, task.model.trained) == ("sha256:abc", True)


def test_without_digests_the_model_has_none(classifier_task: ClassifierTask) -> None:
    assert (classifier_task.model.digest, classifier_task.model.trained) == (None, True)


def test_a_model_with_weights_is_trained(trained_detector: DetectorTask) -> None:
    assert trained_detector.model.trained


def test_the_environment_overrides_device_and_precision(unpacked: Unpacked) -> None:
    task = load_task(unpacked("classifier"), Runtime(device="cpu", precision="bf16"))
    assert isinstance(task, ClassifierTask)
    assert (task.manifest.device, task.manifest.precision) == ("cpu", "bf16")


@pytest.mark.parametrize(
    ("runtime", "field"),
    [(Runtime(precision="fp16"), "precision"), (Runtime(device="gpu"), "device")],
)
def test_an_invalid_override_is_reported(runtime: Runtime, field: str, unpacked: Unpacked) -> None:
    with pytest.raises(ManifestError, match=rf"^classifier: .*{field}: Input should be"):
        load_task(unpacked("classifier"), runtime)


@pytest.mark.parametrize(("threads", "calls"), [(0, []), (3, [3])])
def test_threads_are_set_only_if_given(
    threads: int,
    calls: list[int],
    with_backend: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    seen_by_opencv: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.setattr(cv2, "setNumThreads", seen_by_opencv.append)
    load_task(with_backend("torch"), Runtime(device="cpu", threads=threads))
    assert seen == calls
    assert seen_by_opencv == calls


def test_openvino_uses_the_given_threads(with_backend: Callable[[str], Path]) -> None:
    task = load_task(with_backend("openvino"), Runtime(device="cpu", threads=2))
    assert isinstance(task, FacesTask)
    graphs = task.face_detector.mtcnn.cascade[:3]
    assert all(isinstance(graph, OpenVINOGraph) for graph in graphs)
    assert {graph.threads for graph in graphs if isinstance(graph, OpenVINOGraph)} == {2}


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_WORKER_DEVICE", "cuda")
    monkeypatch.setenv("DEEPFAKE_WORKER_PRECISION", "bf16")
    monkeypatch.setenv("DEEPFAKE_WORKER_THREADS", "2")
    monkeypatch.setenv("DEEPFAKE_WORKER_DIGESTS", '{"a": "sha256:b"}')
    assert Runtime.from_environment() == Runtime("cuda", "bf16", 2, {"a": "sha256:b"})


@pytest.mark.parametrize("value", [None, ""])
def test_empty_variables_override_nothing(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEVICE", "PRECISION", "THREADS", "DIGESTS"):
        monkeypatch.delenv(f"DEEPFAKE_WORKER_{name}", raising=False)
    if value is not None:
        monkeypatch.setenv("DEEPFAKE_WORKER_DEVICE", value)
        monkeypatch.setenv("DEEPFAKE_WORKER_PRECISION", value)
    assert Runtime.from_environment() == Runtime(digests={})


@pytest.mark.parametrize(
    ("device", "available", "gpu", "expected"),
    [
        ("auto", False, None, "cpu"),
        ("auto", True, None, "cuda:0"),
        ("auto", True, 2, "cuda:2"),
        ("cpu", True, 2, "cpu"),
        ("cpu", False, None, "cpu"),
        ("cuda", True, 1, "cuda:1"),
    ],
)
def test_the_best_allowed_device_is_used(
    device: str, available: bool, gpu: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    data = {"name": "a", "version": "1.0", "task": "faces", "device": device}
    assert choose_device(parse_manifest(data, "a.yaml"), gpu) == expected


def test_openvino_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "may_have_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    data = {"name": "a", "version": "1.0", "task": "faces", "backend": "openvino"}
    assert choose_device(parse_manifest(data, "a.yaml"), 1) == "cpu"


@pytest.mark.parametrize(
    ("hidden", "driver", "expected"),
    [(None, True, True), (None, False, False), ("", True, False), ("0", True, True)],
)
def test_a_gpu_is_expected_only_with_a_driver_and_visible_devices(
    hidden: str | None,
    driver: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    if driver:
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert may_have_gpu() is expected


def test_the_torch_backend_loads_the_same_model(
    with_backend: Callable[[str], Path], astronaut: Pixels
) -> None:
    found = [load_task(with_backend(name), Runtime(device="cpu")) for name in ("torch", "openvino")]
    for task in found:
        assert isinstance(task, FacesTask)
        assert len(task.face_detector.detect([astronaut])[0]) == 1


def test_a_missing_gpu_is_an_error_without_fallback_to_cpu(
    unpacked: Unpacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ManifestError, match=r"^faces: device cuda is required"):
        load_task(unpacked("faces"), Runtime(device="cuda"))


def test_a_folder_without_a_manifest_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=rf"{tmp_path}/model\.json"):
        load_task(tmp_path, Runtime(device="cpu"))
