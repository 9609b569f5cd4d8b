"""The preview of dashboards, from a real Prometheus that holds a few minutes of made-up samples."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from scripts.dashboards import FOLDER, PAGES
from scripts.dashboards.preview import preview
from scripts.dashboards.prometheus import Prometheus
from tests.chart.expressions import DCGM
from tests.support.ports import free_port

LABELS = 'namespace="a",app_kubernetes_io_instance="b",app_kubernetes_io_component="gateway"'


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    promtool, server = shutil.which("promtool"), shutil.which("prometheus")
    if promtool is None or server is None:
        assert os.environ.get("REQUIRE_CHART_TOOLS") != "1", "Prometheus is not on PATH"
        pytest.skip("no Prometheus here")
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "samples.txt").write_text(samples(time.time()))
    creating = [promtool, "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*creating, folder / "samples.txt", folder / "data"], check=True)
    (folder / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    process = subprocess.Popen(
        [
            server,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        ready = httpx.HTTPTransport(retries=20)
        with httpx.Client(transport=ready, base_url=url, timeout=60) as client:
            while client.get("/-/ready").status_code != 200:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def samples(now: float) -> str:
    """Returns ten minutes of requests, a status each, in the OpenMetrics text format."""
    lines = ["# TYPE deepfake_requests counter"]
    for code in (200, 503):
        for index in range(41):
            at = now - 600 + 15 * index
            lines.append(
                f'deepfake_requests_total{{{LABELS},route="/v1/images",code="{code}"}} '
                f"{index * code} {at:.0f}"
            )
    return "\n".join([*lines, *gpu_samples(now), "# EOF", ""])


def gpu_samples(now: float) -> Iterator[str]:
    """Yields ten minutes of a pool with two GPUs, one of them split by MIG, and of another pod."""
    at = [f"{now - 600 + 15 * index:.0f}" for index in range(41)]
    model_server = LABELS.replace("gateway", "model-server") + ',deepfake_serving_pool="gpu"'
    yield "# TYPE deepfake_ready gauge"
    for pod in ("gpu-1", "gpu-2"):
        yield from (f'deepfake_ready{{{model_server},pod="{pod}"}} 1 {then}' for then in at)
    yield "# TYPE deepfake_verdicts counter"
    labels = f'{model_server},pod="gpu-1",model="detector",verdict="real"'
    for index, then in enumerate(at):
        yield f"deepfake_verdicts_total{{{labels}}} {index * 3000} {then}"
    devices = [
        'pod="gpu-1",container="model-server",gpu="0"',
        'pod="gpu-2",container="model-server",gpu="1",GPU_I_PROFILE="1g.10gb"',
        'pod="another",container="train",gpu="2"',
    ]
    for number, name in enumerate(DCGM):
        yield f"# TYPE {name} gauge"
        for device in devices:
            for index, then in enumerate(at):
                value = 0 if "XID" in name else 50 + number + index % 7
                yield f'{name}{{namespace="a",{device}}} {value} {then}'


def test_panels_with_data_are_drawn_and_the_others_named(prometheus: str, tmp_path: Path) -> None:
    board = json.loads(PAGES[f"{FOLDER}/overview.json"]())
    image = tmp_path / "overview.png"
    with Prometheus(prometheus, 10, rate_interval=60) as source:
        empty = preview(board, source, image)
    titles = {each["title"] for each in board["panels"] if each["type"] != "row"}
    assert titles - set(empty) == {"Ready model servers", "Requests", "Requests by route"}
    with Image.open(image) as drawn:
        assert drawn.width > 1000
        assert len(drawn.convert("RGB").getcolors(2**24)) > 100


def test_gpus_are_those_of_the_model_servers(prometheus: str, tmp_path: Path) -> None:
    board = json.loads(PAGES[f"{FOLDER}/gpus.json"]())
    panels = {
        each["title"]: each["targets"][0]["expr"]
        for each in board["panels"][1:]
        if "targets" in each
    }
    with Prometheus(prometheus, 10, rate_interval=60) as source:
        assert preview(board, source, tmp_path / "gpus.png") == []
        devices = {s.labels["pod"]: s.labels for s in source.range(panels["Utilization"])}
        (images,) = source.range(panels["Images per second and GPU"])
    assert devices.keys() == {"gpu-1", "gpu-2"}
    assert devices["gpu-2"]["GPU_I_PROFILE"] == "1g.10gb"
    assert devices["gpu-1"]["deepfake_serving_pool"] == "gpu"
    assert images.values[-1] == pytest.approx(3000 / 15 / 2, rel=0.01)


def test_a_refused_query_is_an_error(prometheus: str) -> None:
    with (
        Prometheus(prometheus, 10, rate_interval=60) as source,
        pytest.raises(RuntimeError, match=r"parse error.*nonsense"),
    ):
        source.range("nonsense(")


def test_an_interval_is_one_step(prometheus: str) -> None:
    """Counts in a step of three seconds, where samples are 15 seconds apart: one at most."""
    with Prometheus(prometheus, 10, rate_interval=60) as source:
        found = source.range("count_over_time(deepfake_requests_total[$__interval])")
    assert found
    assert {value for series in found for value in series.values} == {1}
