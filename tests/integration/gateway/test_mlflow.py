"""Predictions in a real MLflow tracking server: logged, and while it is stopped, slow or gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.test_image_jobs import ended
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.running import GUARD_S, RunningGateway, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MLFLOW = ROOT / ".venv-mlflow" / "bin" / "mlflow"
API = "/api/2.0/mlflow"


class Tracking:
    """A tracking server and its processes."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        stores = ["--backend-store-uri", f"sqlite:///{folder / 'runs.sqlite'}"]
        stores += ["--artifacts-destination", str(folder / "artifacts")]
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [MLFLOW, "server", *stores, "--host", "127.0.0.1", "--port", str(port)],
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.client = httpx.Client(base_url=self.url, timeout=GUARD_S)
        eventually(self._up)

    def _up(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def signal(self, number: int) -> None:
        """Signals all processes of the server."""
        os.killpg(self.process.pid, number)

    def runs(self) -> list[dict[str, Any]]:
        """Returns the runs, the newest first."""
        found = self.client.get(
            f"{API}/experiments/get-by-name", params={"experiment_name": "faces"}
        )
        if found.status_code != 200:
            return []
        number = found.json()["experiment"]["experiment_id"]
        runs = self.client.post(f"{API}/runs/search", json={"experiment_ids": [number]})
        listed: list[dict[str, Any]] = runs.json().get("runs", [])
        return listed

    def lines(self) -> list[dict[str, Any]]:
        """Returns the predictions of all runs."""
        lines = []
        for run in self.runs():
            run_id = run["info"]["run_id"]
            query = {"run_id": run_id, "path": "predictions"}
            files = self.client.get(f"{API}/artifacts/list", params=query).json().get("files", [])
            for file in files:
                path = {"run_uuid": run_id, "path": file["path"]}
                text = self.client.get("/get-artifact", params=path).text
                lines += [json.loads(line) for line in text.splitlines()]
        return lines


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@contextmanager
def tracking_server(folder: Path) -> Iterator[Tracking]:
    if not MLFLOW.exists():
        pytest.fail("there is no .venv-mlflow; run `make build/.mlflow`")
    tracking = Tracking(folder)
    try:
        yield tracking
    finally:
        tracking.client.close()
        with contextlib.suppress(ProcessLookupError):
            tracking.signal(signal.SIGKILL)
        tracking.process.wait()


@contextmanager
def logging_gateway(
    server: RunningServer, folder: Path, uri: str, **settings: Any
) -> Iterator[tuple[RunningGateway, httpx.Client]]:
    chosen = {
        "mlflow_uri": uri,
        "mlflow_experiment": "faces",
        "mlflow_batch_s": 0.2,
        "auth": "none",
    }
    with (
        RunningGateway.start(folder, server.url, **(chosen | settings)) as gateway,
        httpx.Client(base_url=gateway.url, timeout=GUARD_S) as api,
    ):
        yield gateway, api


def posted(api: httpx.Client, path: str, content: bytes) -> httpx.Response:
    """Sends media, again while a busy machine's model server misses its health check."""
    end = time.monotonic() + GUARD_S
    while (response := api.post(path, content=content)).status_code == 503:
        assert time.monotonic() < end
        time.sleep(0.5)
    return response


def counted(gateway: RunningGateway, outcome: str) -> float:
    name = f'deepfake_predictions_total{{outcome="{outcome}"}} '
    text = httpx.get(f"http://127.0.0.1:{gateway.ports['metrics']}/metrics", timeout=GUARD_S).text
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


def test_predictions_are_logged_without_the_media(
    server: RunningServer, tmp_path: Path, astronaut_jpeg: bytes, video: Path
) -> None:
    with (
        tracking_server(tmp_path) as tracking,
        logging_gateway(server, tmp_path, tracking.url) as (gateway, api),
    ):
        image = posted(api, "/v1/images", astronaut_jpeg).json()
        job = ended(api, posted(api, "/v1/videos", video.read_bytes()).json())
        eventually(lambda: len(tracking.lines()) == 2)
        by_kind = {line["kind"]: line for line in tracking.lines()}
        runs = tracking.runs()
        assert gateway.stop() == 0
    score = image["faces"][0]["fake_probability"]
    logged = by_kind["image"]
    assert (logged["id"], logged["scores"]) == (image["id"], {"detector": score})
    assert logged["model"]["digest"] == image["model"]["digest"]
    assert 0 < logged["seconds"] < GUARD_S
    assert (by_kind["video"]["id"], by_kind["video"]["faces"]) == (job["id"], 3)
    assert len(runs) == 2, "one of the gateway, one of its worker"
    metrics = [{m["key"]: m["value"] for m in run["data"]["metrics"]} for run in runs]
    assert {"fake_probability", "seconds", "faces", "score/detector"} == metrics[0].keys()
    assert score in [each["score/detector"] for each in metrics]
    tags = {tag["key"]: tag["value"] for tag in runs[0]["data"]["tags"]}
    assert tags["model.detector"].endswith(image["model"]["digest"])
    stored = b"".join(p.read_bytes() for p in (tmp_path / "artifacts").rglob("*") if p.is_file())
    assert stored
    assert b"base64" not in stored
    assert len(stored) < 4096


def test_requests_pass_while_the_tracking_server_stands_still_or_is_gone(
    server: RunningServer, tmp_path: Path, astronaut_jpeg: bytes
) -> None:
    with (
        tracking_server(tmp_path) as tracking,
        logging_gateway(server, tmp_path, tracking.url, mlflow_max_waiting=2) as (gateway, api),
    ):
        assert posted(api, "/v1/images", astronaut_jpeg).status_code == 200
        eventually(lambda: counted(gateway, "logged") == 1)
        tracking.signal(signal.SIGSTOP)
        sent = 1
        while counted(gateway, "dropped") < 1:
            assert posted(api, "/v1/images", astronaut_jpeg).status_code == 200
            sent += 1
        tracking.signal(signal.SIGCONT)
        eventually(lambda: counted(gateway, "logged") == sent - counted(gateway, "dropped"))
        tracking.signal(signal.SIGKILL)
        tracking.process.wait()
        assert posted(api, "/v1/images", astronaut_jpeg).status_code == 200
        assert gateway.stop() == 0
    warnings = [json.loads(line) for line in gateway.lines]
    assert any(w["event"] == "predictions not logged" for w in warnings)
