"""Served models, their workers and threads; `nvidia-smi` is replaced by a script."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.models import ModelCard, Thresholds
from deepfake_serving.model_server import models as models_module
from deepfake_serving.model_server.models import Placement, choose_placement, served_models
from deepfake_serving.model_server.settings import Settings, SettingsError
from deepfake_serving.packaging.archive import Archive
from model_handlers.manifest import ManifestError
from tests.support.served_models import served_model

ONE = Placement(gpus=0, workers=1, threads=1)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def folder(archives: dict[str, Archive]) -> Path:
    return archives["detector"].path.parent


def nvidia_smi(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Replaces `nvidia-smi` by a script."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


TWO_GPUS = """[ "$*" = -L ] || exit 9
echo "GPU 0: NVIDIA A100 (UUID: GPU-7d4b)"
echo "  MIG 1g.5gb     Device  0: (UUID: MIG-c2)"
echo "GPU 1: NVIDIA A100 (UUID: GPU-8e5c)"
printf '\\377\\n'"""


# Workers and threads -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "models", "workers", "threads"),
    [
        (1, 1, 1, 1),
        (2, 1, 2, 1),
        (4, 1, 4, 1),
        (16, 1, 4, 4),
        (2, 3, 1, 1),
        (7, 3, 2, 1),
        (24, 3, 4, 2),
        (64, 1, 4, 16),
    ],
)
def test_without_gpus_the_cpus_are_divided(
    monkeypatch: pytest.MonkeyPatch, cpus: int, models: int, workers: int, threads: int
) -> None:
    monkeypatch.setattr(models_module, "available_cpus", lambda: cpus)
    names = tuple(f"m{n}" for n in range(models))
    assert choose_placement(Settings(models=names)) == Placement(0, workers, threads)


@given(
    cpus=st.integers(1, 256),
    models=st.integers(1, 8),
    workers=st.integers(0, 64),
    gpus=st.integers(0, 16),
)
def test_workers_times_threads_stay_within_the_cpus_if_possible(
    cpus: int, models: int, workers: int, gpus: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models_module, "available_cpus", lambda: cpus)
        names = tuple(f"m{n}" for n in range(models))
        placement = choose_placement(Settings(models=names, workers=workers, gpus=gpus))
    assert placement.gpus == gpus
    assert placement.workers >= 1
    assert placement.threads >= 1
    needed = models * (workers or gpus or 1)
    assert placement.workers * placement.threads * models <= max(cpus, needed)


def test_more_threads_than_cpus_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "available_cpus", lambda: 2)
    assert choose_placement(Settings(workers=3, threads=5)) == Placement(0, 3, 5)


def test_one_worker_per_gpu_that_the_driver_lists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nvidia_smi(monkeypatch, tmp_path, TWO_GPUS)
    monkeypatch.setattr(models_module, "available_cpus", lambda: 8)
    assert choose_placement(Settings()) == Placement(2, 2, 4)


def test_one_worker_per_gpu_even_with_fewer_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "available_cpus", lambda: 2)
    assert choose_placement(Settings(gpus=8)) == Placement(8, 8, 1)


@pytest.mark.parametrize(
    ("visible", "gpus"), [("0", 1), ("1,0", 2), ("0,1,2", 2), ("", 0), ("-1", 0), ("GPU-8e5c", 1)]
)
def test_gpus_hidden_from_cuda_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, visible: str, gpus: int
) -> None:
    nvidia_smi(monkeypatch, tmp_path, TWO_GPUS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert choose_placement(Settings()).gpus == gpus


@pytest.mark.parametrize("setting", [{"device": "cpu"}, {"gpus": 0}, {"gpus": 1}])
def test_the_driver_is_not_queried_if_the_settings_suffice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: dict[str, object]
) -> None:
    nvidia_smi(monkeypatch, tmp_path, f"touch {tmp_path}/called; {TWO_GPUS}")
    assert choose_placement(Settings(**setting)).gpus == setting.get("gpus", 0)
    assert not (tmp_path / "called").exists()


def test_a_driver_without_a_gpu_means_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nvidia_smi(monkeypatch, tmp_path, 'echo "NVIDIA-SMI has failed"; exit 9')
    assert choose_placement(Settings()).gpus == 0


@pytest.mark.parametrize(("script", "timeout_s"), [("exec sleep 60", 0.2), (None, 30)])
def test_a_failing_driver_is_reported_with_the_setting_to_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, timeout_s: float
) -> None:
    nvidia_smi(monkeypatch, tmp_path, script or "")
    if script is None:
        (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF")
    monkeypatch.setattr(models_module, "_NVIDIA_SMI_TIMEOUT_S", timeout_s)
    with pytest.raises(SettingsError, match="gpus: "):
        choose_placement(Settings())


# Archives ----------------------------------------------------------------------------------------


def test_models_are_served_in_the_order_of_the_setting(
    folder: Path, archives: dict[str, Archive]
) -> None:
    settings = Settings(archives=folder, models="faces,detector")
    served = served_models(settings, Placement(0, 3, 1))
    assert list(served) == ["faces", "detector"]
    model = served["faces"]
    assert (model.name, model.version, model.task) == ("faces", "1.1", "faces")
    assert model.archive == archives["faces"]
    assert model.ref.digest == archives["faces"].digest
    assert model.ref.trained
    assert served["detector"].ref.trained
    assert (model.workers, model.batch_size, model.batch_delay_ms) == (3, 2, 1)


def test_settings_override_the_batching_of_manifests(folder: Path) -> None:
    settings = Settings(archives=folder, batch_size=9, batch_delay_ms=0)
    model = served_models(settings, ONE)["detector"]
    assert (model.batch_size, model.batch_delay_ms) == (9, 0)


def test_gpus_get_larger_batches(folder: Path) -> None:
    model = served_models(Settings(archives=folder), Placement(2, 2, 1))["detector"]
    assert model.batch_size == model.archive.manifest.batching.gpu_max_batch_size == 32


def test_two_batches_per_worker_may_be_in_flight() -> None:
    assert served_model(workers=3, batch_size=5).max_in_flight == 30


def test_an_archive_with_the_required_digest_is_served(
    folder: Path, archives: dict[str, Archive]
) -> None:
    digests = {"detector": archives["detector"].digest}
    assert served_models(Settings(archives=folder, digests=digests), ONE)


@pytest.mark.parametrize("wanted", ["sha256:" + "0" * 64, "", "detector"])
def test_another_digest_is_refused(folder: Path, wanted: str) -> None:
    settings = Settings(archives=folder, digests={"detector": wanted})
    with pytest.raises(SettingsError, match=f"digests: .*has sha256:[0-9a-f]{{64}}, not {wanted}"):
        served_models(settings, ONE)


def test_a_digest_of_a_model_that_is_not_served_is_refused(folder: Path) -> None:
    settings = Settings(archives=folder, digests={"faces": "sha256:00"})
    with pytest.raises(SettingsError, match="digests: no such model is served: faces"):
        served_models(settings, ONE)


def test_a_missing_archive_is_reported_with_the_command_that_packs_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"models: .*detector\.mar does not exist; .*package"):
        served_models(Settings(archives=tmp_path), ONE)


def test_an_archive_under_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "detector.mar").symlink_to(folder / "faces.mar")
    with pytest.raises(SettingsError, match=r"detector\.mar contains the model 'faces'"):
        served_models(Settings(archives=tmp_path), ONE)


def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "detector.mar").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ManifestError, match="not a model archive"):
        served_models(Settings(archives=tmp_path), ONE)


# What the metadata says --------------------------------------------------------------------------


def test_the_metadata_has_thresholds_and_card_of_the_manifest() -> None:
    card = {"url": "https://x/card", "detects": ["face_swap"], "excludes": ["lip_sync"]}
    thresholds = {"suspicious_from": 0.3, "fake_above": 0.7}
    info = served_model(thresholds=thresholds, card=card).info
    assert info.thresholds == Thresholds(0.3, 0.7)
    assert info.card == ModelCard("https://x/card", ["face_swap"], ["lip_sync"], 0.0)


def test_a_face_detector_has_no_thresholds() -> None:
    assert served_model("faces").info.thresholds is None
