"""Workers, Java or the server itself are killed under load."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from deepfake_serving.packaging.archive import build_archive
from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.load import LoadClients
from tests.support.paths import ROOT
from tests.support.running import GUARD_S, RunningServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def head_jpeg(astronaut: Pixels) -> bytes:
    """One face in a small image, which is classified quickly."""
    return jpeg(astronaut[40:220, 140:320])


def _url(server: RunningServer) -> str:
    return f"{server.url}/predictions/detector"


def lost_workers(server: RunningServer) -> float:
    text = httpx.get(server.metrics_url, timeout=GUARD_S).text
    (line,) = re.findall(r'^deepfake_workers_lost_total{model="detector"} (.*)', text, re.MULTILINE)
    return float(line)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killing_a_worker_under_load_fails_no_request(
    archive_folder: Path, head_jpeg: bytes, workers: int
) -> None:
    settings = {"models": "detector", "workers": workers, "request_timeout_s": GUARD_S}
    with RunningServer.start(archive_folder, **settings) as server:
        with LoadClients(_url(server), head_jpeg) as clients:
            clients.until(20)
            os.kill(min(server.workers()), signal.SIGKILL)
            clients.until(40)
            counts = clients.stop()
        assert counts.failed == []
        assert counts.refused == 0
        retries = httpx.get(server.metrics_url, timeout=GUARD_S).text
        assert 'deepfake_upstream_retries_total{model="detector"} 0.0' not in retries
        server.wait_ready()  # which one worker is enough for; TorchServe takes its time
        server.wait_until(lambda: len(server.workers()) == workers, 300, "all workers are back")
        assert server.stop() == 0
        assert server.leftovers() == []


@pytest.mark.slow
def test_sigterm_under_load_loses_no_accepted_request(
    archive_folder: Path, head_jpeg: bytes
) -> None:
    settings = {"models": "detector", "workers": 2, "request_timeout_s": GUARD_S}
    with RunningServer.start(archive_folder, **settings) as server:
        with LoadClients(_url(server), head_jpeg) as clients:
            clients.until(20)
            server.signal(signal.SIGTERM)
            code = server.wait()
            counts = clients.stop()
        assert code == 0
        assert counts.failed == []
        assert counts.statuses[200] >= 20
        assert server.leftovers() == []


def test_not_ready_while_draining_but_still_serving(
    archive_folder: Path, astronaut_jpeg: bytes
) -> None:
    with RunningServer.start(archive_folder, models="detector", drain_delay_s=3600) as server:
        server.signal(signal.SIGTERM)
        server.wait_until(lambda: server.readyz().status_code == 503, GUARD_S, "not ready")
        response = httpx.post(_url(server), content=astronaut_jpeg, timeout=GUARD_S)
        assert response.status_code == 200
        assert response.headers["connection"] == "close"
        server.signal(signal.SIGTERM)
        assert server.wait() == 0


def test_a_second_signal_stops_at_once(archive_folder: Path) -> None:
    """An upload that never ends does not hold it up."""
    settings = {"models": "detector", "drain_delay_s": 3600, "drain_timeout_s": 3600}
    with RunningServer.start(archive_folder, **settings) as server:
        address = "127.0.0.1", server.ports["http"]
        with socket.create_connection(address, timeout=GUARD_S) as connection:
            headers = "Host: test\r\nExpect: 100-continue\r\nContent-Length: 1000"
            connection.sendall(f"POST /predictions/detector HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
            server.signal(signal.SIGTERM)
            server.wait_until(lambda: server.readyz().status_code == 503, GUARD_S, "not ready")
            server.signal(signal.SIGINT)
            assert server.wait(GUARD_S) == 0, "within much less than the delay and the timeout"
        assert server.leftovers() == []


@pytest.mark.slow
def test_killing_java_under_load_fails_no_request_and_restarts_it(
    archive_folder: Path, head_jpeg: bytes
) -> None:
    settings = {"models": "detector", "workers": 2, "request_timeout_s": GUARD_S}
    with RunningServer.start(archive_folder, **settings) as server:
        old = server.java()
        with LoadClients(_url(server), head_jpeg) as clients:
            clients.until(20)
            os.kill(old, signal.SIGKILL)
            clients.until(20)
            counts = clients.stop()
        assert counts.failed == []
        server.wait_ready()
        assert server.java() != old
        assert (
            "deepfake_torchserve_restarts_total 1.0"
            in httpx.get(server.metrics_url, timeout=GUARD_S).text
        )
        assert lost_workers(server) == 0, "they ended with Java"
        assert server.stop() == 0
        assert server.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_hangs_under_load_fails_no_request(
    archive_folder: Path, head_jpeg: bytes, workers: int
) -> None:
    """The other one of two works on."""
    settings = {"models": "detector", "workers": workers, "request_timeout_s": GUARD_S}
    with RunningServer.start(archive_folder, **settings) as server:
        worker = min(server.workers())
        with LoadClients(_url(server), head_jpeg) as clients:
            clients.until(20)
            os.kill(worker, signal.SIGSTOP)
            server.wait_for_event("workers stalled")
            clients.until(40)
            counts = clients.stop()
        assert counts.failed == []
        assert counts.refused == 0
        assert worker not in server.workers()
        server.wait_until(lambda: lost_workers(server) == 1, GUARD_S, "the worker is counted")
        assert server.stop() == 0


def test_not_ready_while_its_only_worker_is_gone(archive_folder: Path) -> None:
    with RunningServer.start(archive_folder, models="detector", workers=1) as server:
        os.kill(server.workers().pop(), signal.SIGKILL)
        server.wait_until(lambda: server.readyz().status_code == 503, GUARD_S, "not ready")
        assert httpx.get(f"{server.url}/healthz", timeout=GUARD_S).status_code == 200
        server.wait_ready()
        assert lost_workers(server) == 1


TIMEOUTS_S = (10, 40, 160)
"""Settings for a worker to start at least once: the next one only where the last was too short."""


@pytest.mark.slow
def test_the_server_ends_with_the_last_log_lines_of_workers_that_never_restart(
    archive_folder: Path,
) -> None:
    def last_lines(timeout_s: float) -> list[str]:
        settings = {"models": "detector", "workers": 1, "recovery_timeout_s": timeout_s}
        with RunningServer.start(archive_folder, **settings) as server:
            (worker,) = server.workers()
            unpacked = Path(psutil.Process(worker).cwd())
            (unpacked / "model.json").write_text("{}")
            os.kill(worker, signal.SIGKILL)
            assert server.wait() == 1
            assert server.leftovers() == []
            (event,) = server.events("giving up")
            return list(event["last_words"])

    assert any("ManifestError" in line for s in TIMEOUTS_S for line in last_lines(s))


@pytest.mark.slow
def test_the_server_ends_when_models_never_load(tmp_path: Path) -> None:
    """A detector that requires a GPU on a machine without one."""
    manifest = yaml.safe_load((ROOT / "config/models/detector.yaml").read_text())
    broken = tmp_path / "detector.yaml"
    broken.write_text(yaml.safe_dump(manifest | {"device": "cuda"}))
    build_archive(broken, tmp_path)

    tracebacks: list[str] = []

    def last_lines(timeout_s: float) -> list[str]:
        settings = {"models": "detector", "start_timeout_s": timeout_s, "gpus": 0}
        with RunningServer.start(tmp_path, wait_ready=False, **settings) as server:
            response = httpx.post(_url(server), content=b"x", timeout=GUARD_S)
            assert response.status_code == 503
            assert response.headers["retry-after"] == "5"
            assert server.wait() == 1
            assert server.leftovers() == []
            tracebacks.extend(each["traceback"] for each in server.events("worker failed"))
            return list(server.events("giving up")[0]["last_words"])

    assert any("sees no GPU" in line for s in TIMEOUTS_S for line in last_lines(s))
    assert any("sees no GPU" in traceback for traceback in tracebacks)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_a_killed_server_leaves_no_process(archive_folder: Path) -> None:
    with RunningServer.start(archive_folder, models="detector") as server:
        server.signal(signal.SIGKILL)
        server.wait()
        assert server.leftovers() == []


def test_requests_over_capacity_are_refused_and_the_others_served(
    archive_folder: Path, head_jpeg: bytes
) -> None:
    with (
        RunningServer.start(
            archive_folder, models="detector", workers=1, batch_size=1, max_queue=1
        ) as server,
        LoadClients(_url(server), head_jpeg) as clients,
    ):
        clients.until(60)
        counts = clients.stop()
        assert set(counts.statuses) == {200, 429}
        assert counts.lost == []
        text = httpx.get(server.metrics_url, timeout=GUARD_S).text
        refused = f'deepfake_problems_total{{type="overloaded"}} {float(counts.statuses[429])}'
        assert refused in text


def test_sigterm_waits_for_an_upload_that_has_begun(
    archive_folder: Path, astronaut_jpeg: bytes
) -> None:
    with RunningServer.start(archive_folder, models="detector") as server:
        address = "127.0.0.1", server.ports["http"]
        with socket.create_connection(address, timeout=GUARD_S) as connection:
            headers = f"Host: test\r\nExpect: 100-continue\r\nContent-Length: {len(astronaut_jpeg)}"
            connection.sendall(f"POST /predictions/detector HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
            half = len(astronaut_jpeg) // 2
            connection.sendall(astronaut_jpeg[:half])
            server.signal(signal.SIGTERM)
            server.wait_for_event("phase", where=lambda event: event["phase"] == "draining")
            connection.sendall(astronaut_jpeg[half:])
            assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")
        assert server.wait() == 0


@pytest.mark.parametrize(
    "setting", ["DEEPFAKE_MODEL_SERVER_HTTP_PORT", "DEEPFAKE_MODEL_SERVER_GRPC_PORT"]
)
def test_a_port_in_use_is_reported(archive_folder: Path, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        completed = _refused(archive_folder, {setting: port})
    assert completed.returncode == 2
    assert f"deepfake-serving: 127.0.0.1:{port}: " in completed.stderr
    assert f"Set {setting} to another port" in completed.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"DEEPFAKE_MODEL_SERVER_HTTP_PORT": "99999"},
            ("http_port", "DEEPFAKE_MODEL_SERVER_HTTP_PORT", "65535"),
        ),
        (
            {"DEEPFAKE_MODEL_SERVER_WORKRES": "2"},
            ("DEEPFAKE_MODEL_SERVER_WORKRES", "no such setting"),
        ),
        ({"DEEPFAKE_MODEL_SERVER_MODELS": "nobody"}, ("models", "nobody.mar", "does not exist")),
        (
            {"DEEPFAKE_MODEL_SERVER_DIGESTS": '{"detector": "sha256:00"}'},
            ("digests", "not sha256:00"),
        ),
        (
            {"DEEPFAKE_MODEL_SERVER_CONFIG": "/nowhere.yaml"},
            ("DEEPFAKE_MODEL_SERVER_CONFIG", "/nowhere.yaml"),
        ),
    ],
)
def test_an_invalid_setting_prevents_startup_and_is_named(
    archive_folder: Path, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    completed = _refused(archive_folder, settings)
    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in completed.stderr


def _refused(archives: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Starts a server that must fail."""
    ports = {f"DEEPFAKE_MODEL_SERVER_{name}_PORT": "0" for name in ("HTTP", "GRPC", "METRICS")}
    return subprocess.run(
        [sys.executable, "-m", "deepfake_serving.model_server"],
        cwd=ROOT,
        env=os.environ | ports | {"DEEPFAKE_MODEL_SERVER_ARCHIVES": str(archives)} | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
