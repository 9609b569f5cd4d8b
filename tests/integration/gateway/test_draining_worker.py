"""A worker that drains while it runs a job, as an autoscaler sees it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.gateway.test_shared_video import RunningWorker
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.videos import scenes, write_video

pytestmark = pytest.mark.integration


def gauges(worker: RunningWorker) -> tuple[float, float]:
    """Returns whether the worker is ready, and how many videos it analyses."""
    port = worker.events("ready")[0]["metrics_port"]
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=GUARD_S).text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    ready = next(s.value for s in samples if s.name == "deepfake_ready")
    running = [s.value for s in samples if s.name == "deepfake_running_jobs"]
    return ready, sum(running)


def test_it_runs_its_job_and_is_not_ready(server: RunningServer, tmp_path: Path) -> None:
    settings = {
        "routing": json.dumps({"pools": [{"name": "cpu", "url": server.url}]}),
        "jobs": f"sqlite:///{tmp_path / 'jobs.sqlite'}",
        "objects": f"file://{tmp_path / 'objects'}",
        "embedded_worker": "false",
        "worker_drain_s": 3600,
    }
    film = write_video(tmp_path / "film.mp4", scenes() * 30).read_bytes()
    with RunningGateway.run(settings) as gateway:
        worker = RunningWorker(settings)
        try:
            worker.wait_for_event("ready")
            posted = httpx.post(f"{gateway.url}/v1/videos", files={"file": film}, timeout=GUARD_S)
            assert posted.status_code == 202
            worker.wait_for_event("job started")
            assert gauges(worker) == (1, 1)
            worker.process.terminate()
            worker.wait_until(lambda: gauges(worker) == (0, 1), GUARD_S, "draining")
        finally:
            worker.kill()
