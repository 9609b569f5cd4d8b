"""`check_live` finds wrong names, on a Prometheus that scrapes a gateway."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import start_http_server

from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.health import StoreHealth
from tests.chart.expressions import Expression, check_live
from tests.chart.helm import tool
from tests.support.ports import free_port

LABELS = {"namespace": "ns", "app_kubernetes_io_component": "gateway", "pod": "g"}


async def _no_check() -> None:
    pass


@pytest.fixture(scope="module")
def gateway() -> Iterator[int]:
    """Yields the metrics port of a gateway that has classified one image."""
    metrics = Metrics()
    metrics.watch_jobs(StoreHealth(_no_check, _no_check))
    metrics.watch_readiness(lambda: True)
    metrics.jobs.counts = {}
    metrics.requests.labels("/v1/images", "200").inc()
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", registry=metrics.registry)
    yield port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def prometheus(gateway: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yields the address of a Prometheus that has scraped the gateway twice."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    scraped = {"targets": [f"127.0.0.1:{gateway}"], "labels": LABELS}
    job = {"job_name": "pods", "scrape_interval": "1s", "static_configs": [scraped]}
    (folder / "config.yaml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            *(tool("prometheus"), f"--config.file={folder}/config.yaml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        _scraped_twice(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _scraped_twice(url: str) -> None:
    for _ in range(300):
        try:
            request = {"query": "count_over_time(up[1m]) > 2"}
            if httpx.get(f"{url}/api/v1/query", params=request).json()["data"]["result"]:
                return
        except (httpx.TransportError, ValueError):
            pass  # not up yet
        time.sleep(0.1)
    pytest.fail("Prometheus scrapes nothing")


@pytest.mark.parametrize(
    "text",
    [
        'max by (state) (deepfake_jobs{namespace="ns",state="dead"}) > 0',
        'sum(rate(deepfake_requests_total{namespace="ns",code=~"5.."}[1m]))',
        'increase(deepfake_rate_limit_failures_total{namespace="ns"}[10m] offset 1d) > 0',
        'absent(deepfake_jobs{namespace="ns"}) or sum(up{namespace="ns"}) == 0',
        'deepfake:score:mean7d_before{namespace="ns"} > 1',
        'count(sum by (state) (deepfake_jobs{namespace="ns"}) > 1e6) or vector(0)',
        'sum(rate(deepfake_upstream_hedges_total{namespace="ns"}[1m]))',
    ],
)
def test_correct_expressions_pass(prometheus: str, text: str) -> None:
    assert check_live(prometheus, [Expression("x", text)], {"deepfake_upstream_hedges_total"}) == []


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("deepfake_jobz > 0", "x: no series deepfake_jobz{}"),
        ('deepfake_jobs{state="lost"}', 'x: no series deepfake_jobs{state="lost"}'),
        ("sum by (stat) (deepfake_jobs) > 0", "x: deepfake_jobs has no label stat"),
        ('deepfake_jobs{pot!="a"} > 0', "x: deepfake_jobs has no label pot"),
        ("absent(deepfake_jobz)", "x: no series deepfake_jobz{}"),
        (
            "deepfake_jobs / deepfake_streams",
            "x: no result of deepfake_jobs{} / deepfake_streams{}",
        ),
        (
            "rate(deepfake_jobs_ended_total[1m])",
            "x: no series deepfake_jobs_ended_total{}; did it happen that a job has ended?",
        ),
    ],
)
def test_wrong_expressions_are_reported(prometheus: str, text: str, failure: str) -> None:
    assert check_live(prometheus, [Expression("x", text)]) == [failure]
