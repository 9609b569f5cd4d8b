"""Every PromQL expression has a result in a Prometheus that has scraped the real stack.

Needs PROMETHEUS_URL, and LOAD_RULES: a command that makes that Prometheus load a file of rules.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

import httpx
import pytest
import yaml
from websockets.sync.client import connect

from tests.chart.expressions import DCGM, Expression, check_live, collect
from tests.chart.helm import Object, only, render
from tests.cluster import prometheus
from tests.cluster.kube import Release, run, wait_until
from tests.support.videos import scenes, write_video

_TIMEOUT_S = 300.0
OFF = {
    "deepfake_live_windows_total",
    "deepfake_certificate_expiry_timestamp_seconds",
    "deepfake_upstream_hedges_total",
    "deepfake_shadow_score_difference",
    "deepfake_shadow_verdict_changes_total",
    "deepfake_shadow_requests_total",
    *DCGM,
}
"""Metrics of what is off by default (live sources, TLS, hedging, shadow pools), and of GPUs."""
MONITORED = {
    "monitoring": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}},
    "worker": {"autoscaling": {"type": "keda"}},
}


def manifests(release: Release) -> list[Object]:
    """Renders all objects with expressions; pools scale by HPA, by KEDA, and by KEDA from zero."""
    created: list[Object] = []
    for scaling in (
        {"type": "hpa"},
        {"type": "keda", "minReplicas": 1},
        {"type": "keda", "minReplicas": 0},
    ):
        pool = {"name": "cpu", "autoscaling": scaling}
        values = {**MONITORED, "modelServer": {"pools": [pool]}}
        created += render(values=values, name=release.name, namespace=release.namespace)
    return created


def load_rules(shipped: list[Object], folder: Path) -> None:
    command = os.environ.get("LOAD_RULES")
    assert command, "LOAD_RULES is unset: a command that loads rules into Prometheus"
    file = folder / "rules.yaml"
    file.write_text(
        yaml.safe_dump({"groups": only(shipped, "PrometheusRule")[0]["spec"]["groups"]})
    )
    run(*shlex.split(command), str(file))


def everything_happens(release: Release, image: bytes, folder: Path) -> None:
    """Sends an image, a refused one, a video job and a live stream."""
    headers = {"Authorization": f"Bearer {release.key}"}
    with httpx.Client(base_url=release.url, headers=headers, timeout=60) as http:
        jpeg = {"Content-Type": "image/jpeg"}
        for _ in range(5):
            http.post("/v1/images", content=image, headers=jpeg).raise_for_status()
        assert http.post("/v1/images", content=b"no image", headers=jpeg).status_code == 415
        film = write_video(folder / "film.mp4", scenes()[:30])
        job = http.post("/v1/videos", files={"file": film.read_bytes()}).json()["id"]
        wait_until(
            lambda: http.get(f"/v1/jobs/{job}").json()["state"] == "succeeded", 60, "job's end"
        )
    address = release.url.replace("http://", "ws://")
    with connect(f"{address}/v1/stream?key={release.key}", proxy=None) as stream:
        stream.send(image)
        stream.recv(timeout=30)


def await_results(
    release: Release, expressions: list[Expression], image: bytes, folder: Path
) -> list[str]:
    """Repeats all events until each expression has a result; returns those that never have one.

    Counters must rise between scrapes, and rules are evaluated in turns: how long that takes
    depends on what else this Prometheus scrapes and records.
    """
    end = time.monotonic() + _TIMEOUT_S
    while True:
        everything_happens(release, image, folder)
        failures = check_live(prometheus.url(), expressions, OFF)
        if not failures or time.monotonic() > end:
            return failures
        time.sleep(5)


@pytest.mark.timeout(900)
def test_every_expression_has_a_result(
    release: Release, astronaut_jpeg: bytes, tmp_path: Path
) -> None:
    shipped = manifests(release)
    load_rules(shipped, tmp_path)
    expressions = list(dict.fromkeys(collect(shipped)))
    assert len(expressions) > 80
    failures = await_results(release, expressions, astronaut_jpeg, tmp_path)
    print(f"\n{len(expressions)} expressions, {len(failures)} without a result")
    assert failures == []
    wrong = [
        Expression("label", 'rate(deepfake_requests_total{model="x"}[5m])'),
        Expression("name", "sum(deepfake_request_total)"),
    ]
    assert len(check_live(prometheus.url(), wrong)) == 2
