"""KEDA: workers follow the backlog from zero and back; a pool scales to zero and up again.

Needs KEDA in the cluster, and a Prometheus at the chart's `monitoring.prometheus.url`.
"""

from __future__ import annotations

import threading
import time
from math import ceil
from pathlib import Path

import httpx
import pytest
import skimage.data

from tests.cluster import prometheus
from tests.cluster.kube import Release, kubectl, wait_until
from tests.support.videos import RATE, pan, repeated, scenes, write_video

SCALING = {"type": "keda", "minReplicas": 0, "cooldownSeconds": 10, "fallbackReplicas": 0}


@pytest.fixture(scope="module", autouse=True)
def _keda() -> None:
    assert "keda.sh" in kubectl("api-versions"), "KEDA is not installed in this cluster"


def replicas(release: Release, name: str) -> int:
    deployment = release.get("deployment", f"{release.fullname}-{name}")
    return int(deployment["spec"]["replicas"])


@pytest.mark.timeout(600)
def test_workers_scale_up_for_jobs_and_down_again(release: Release, tmp_path: Path) -> None:
    scaling = {**SCALING, "jobsPerReplica": 1, "maxReplicas": 2}
    release.upgrade(values={"worker": {"autoscaling": scaling}})
    wait_until(lambda: replicas(release, "worker") == 0, 120, "no worker")
    headers = {"Authorization": f"Bearer {release.key}"}
    with httpx.Client(base_url=release.url, headers=headers, timeout=60) as http:
        jobs = []
        for number in range(4):
            film = write_video(tmp_path / f"{number}.mp4", scenes()[number:])
            sent = http.post("/v1/videos", files={"file": film.read_bytes()})
            assert sent.status_code == 202, sent.text
            jobs.append(sent.json()["id"])
        seconds = wait_until(lambda: replicas(release, "worker") > 0, 90, "a worker")
        print(f"\na worker was requested {seconds:.0f} s after the jobs")

        def states() -> set[str]:
            return {http.get(f"/v1/jobs/{job}").json()["state"] for job in jobs}

        wait_until(lambda: states() == {"succeeded"}, 240, "all jobs done")
    seconds = wait_until(lambda: replicas(release, "worker") == 0, 180, "no worker again")
    print(f"none was left {seconds:.0f} s after the last")


def wanted(release: Release) -> int:
    """Returns how many workers the triggers ask for, by their queries."""
    triggers = release.get("scaledobject", f"{release.fullname}-worker")["spec"]["triggers"]
    every = [trigger["metadata"] for trigger in triggers]
    return max(ceil((prometheus.value(m["query"]) or 0) / float(m["threshold"])) for m in every)


@pytest.mark.timeout(600)
def test_workers_that_run_a_job_stay(release: Release, tmp_path: Path) -> None:
    """Two workers with a job each, where one would do for the backlog: a second one that went would
    take its job with it."""
    scaling = {**SCALING, "jobsPerReplica": 5, "minReplicas": 2, "maxReplicas": 3}
    release.upgrade(values={"worker": {"autoscaling": scaling}})
    wait_until(lambda: release.ready("worker") == 2, 120, "two workers")
    image = skimage.data.astronaut()
    films = [pan(image, 10 * RATE, start=(60, row)) for row in (0, 9)]
    headers = {"Authorization": f"Bearer {release.key}"}
    with httpx.Client(base_url=release.url, headers=headers, timeout=60) as http:
        jobs = []
        for number, frames in enumerate(films):
            film = repeated(write_video(tmp_path / f"{number}.mp4", frames), 180)
            undivided = {"shots": "false"}
            sent = http.post("/v1/videos", files={"file": film}, params=undivided)
            jobs.append(sent.raise_for_status().json()["id"])
        wait_until(lambda: wanted(release) == 2, 120, "two workers are wanted")
        states = [http.get(f"/v1/jobs/{job}").json()["state"] for job in jobs]
        assert states == ["running", "running"]
        for job in jobs:
            http.delete(f"/v1/jobs/{job}").raise_for_status()
    wait_until(lambda: wanted(release) == 0, 60, "none is wanted")


@pytest.mark.timeout(600)
def test_a_pool_scales_to_zero_and_up_again_on_overflow(
    release: Release, astronaut_jpeg: bytes
) -> None:
    """A pool scales from zero, like a GPU pool, while the next pool serves requests."""
    first = {"name": "first", "autoscaling": {**SCALING, "maxReplicas": 1, "requestsPerReplica": 2}}
    behind = {"name": "cpu", "priority": 1}
    release.upgrade(values={"modelServer": {"pools": [first, behind]}})
    wait_until(lambda: replicas(release, "model-first") == 0, 120, "none of the first pool")
    stop = threading.Event()
    failed: list[str] = []
    url = f"{release.url}/v1/images"  # asks the cluster, so once

    def send_requests() -> None:
        headers = {"Authorization": f"Bearer {release.key}", "Content-Type": "image/jpeg"}
        with httpx.Client(headers=headers, timeout=60) as http:
            while not stop.is_set():
                response = http.post(url, content=astronaut_jpeg)
                if response.status_code != 200:
                    failed.append(response.text)
                time.sleep(0.01)

    threads = [threading.Thread(target=send_requests) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        seconds = wait_until(lambda: release.ready("model-server", "first") == 1, 180, "woken")
        print(f"\nthe first pool responded {seconds:.0f} s after the first request")
        time.sleep(5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    wait_until(lambda: replicas(release, "model-first") == 0, 180, "none again")
