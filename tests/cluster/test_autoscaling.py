"""Replicas and latency follow the load up and down, over REST and gRPC.

Needs prometheus-adapter with k8s/monitoring/prometheus-adapter.yaml, and PROMETHEUS_URL. Writes
build/cluster/autoscaling.{json,png}.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.cluster import prometheus
from tests.cluster.kube import ROOT, Object, Release, wait_until

OUT = ROOT / "build" / "cluster"
SLO_S = 1.0
MOST, USERS = 3, 20

SCALED: Object = {
    "modelServer": {
        "defaults": {
            # Replicas small enough that a second one helps on a small node.
            "resources": {
                "requests": {"cpu": "100m", "memory": "512Mi"},
                "limits": {"cpu": "500m", "memory": "2Gi"},
            },
            "autoscaling": {
                "type": "hpa",
                "maxReplicas": MOST,
                "requestsPerReplica": 6,
                "cpuUtilization": 0,
                "scaleDownStabilizationSeconds": 20,
            },
        }
    }
}


@dataclass(frozen=True)
class Moment:
    """The observed state at one moment."""

    t: float
    wanted: int
    ready: int
    pending: float


@contextmanager
def watched(release: Release, begun: float) -> Iterator[list[Moment]]:
    """Samples replicas and waiting or in-flight requests once a second."""
    seen: list[Moment] = []
    stop = threading.Event()
    series = f'namespace="{release.namespace}",app_kubernetes_io_component="model-server"'
    query = f"sum(deepfake_queue_depth{{{series}}}) + sum(deepfake_inflight_requests{{{series}}})"

    def watch() -> None:
        while not stop.wait(1):
            deployment = release.get("deployment", f"{release.fullname}-model-cpu")
            ready = deployment["status"].get("readyReplicas", 0)
            pending = prometheus.value(query) or 0.0
            t = time.monotonic() - begun
            seen.append(Moment(t, deployment["spec"]["replicas"], ready, pending))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def locust(release: Release, user: str, seconds: int, out: Path) -> tuple[Object, float]:
    """Runs one kind of user; returns its summary and start. Fails if a request fails."""
    out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "loadtest", user, "--url", release.url),
            *("--grpc", release.address("grpc"), "--shape", "steady", "--peak", str(USERS)),
            *("--duration", str(seconds), "--out", str(out), "--csv-full-history"),
        ],
        cwd=ROOT,
        env={**os.environ, "DFK_KEY": release.key},
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    summary: Object = json.loads((out / "summary.json").read_text())
    return summary, begun


def history(out: Path) -> list[dict[str, float]]:
    """Returns users, rate and p95 over the last ten seconds, for each second."""
    with (out / "locust_stats_history.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    return [
        {
            "timestamp": float(row["Timestamp"]),
            "users": float(row["User Count"]),
            "rate": float(row["Requests/s"]),
            "p95_s": float(row["95%"]) / 1000,
        }
        for row in rows
        if row["95%"] != "N/A"
    ]


def second_ready(moments: list[Moment]) -> float:
    """Returns when a second replica was ready."""
    return next(each.t for each in moments if each.ready >= 2)


def latencies(rows: list[dict[str, float]], scaled: float) -> tuple[float, float]:
    """Returns the medians of p95 under all users: before `scaled`, and in the last ten seconds."""
    loaded = [row for row in rows if row["users"] == USERS]
    one = [row["p95_s"] for row in loaded if row["timestamp"] < scaled]
    assert len(one) >= 3, "too short a time with one replica"
    return median(one), median(row["p95_s"] for row in loaded[-10:])


def draw(moments: list[Moment], runs: dict[str, list[dict[str, float]]], epoch: float) -> None:
    """Plots load, replicas, queue and latency over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(4, 1, figsize=(9, 9), sharex=True, layout="constrained")
    for name, rows in runs.items():
        times = [row["timestamp"] - epoch for row in rows]
        axes[0].plot(times, [row["rate"] for row in rows], label=name)
        axes[3].plot(times, [row["p95_s"] for row in rows], label=name)
    times = [each.t for each in moments]
    axes[1].step(times, [each.wanted for each in moments], where="post", label="wanted")
    axes[1].step(times, [each.ready for each in moments], where="post", label="ready")
    axes[2].plot(times, [each.pending for each in moments], color="tab:purple")
    axes[3].axhline(SLO_S, color="tab:red", linestyle="--", label="SLO")
    labels = ("requests/s", "replicas", "waiting or in flight", "p95 of 10 s, seconds")
    for axis, label in zip(axes, labels, strict=True):
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    for axis in (axes[0], axes[1], axes[3]):
        axis.legend(loc="upper right")
    axes[3].set_xlabel("seconds")
    figure.suptitle(f"Model servers under {USERS} users, one to {MOST} replicas")
    figure.savefig(OUT / "autoscaling.png", dpi=110)
    pyplot.close(figure)


@pytest.mark.timeout(900)
def test_replicas_scale_up_and_down_with_the_load(release: Release) -> None:
    release.upgrade(values=SCALED)
    name = f"{release.fullname}-model-cpu"
    begun, epoch = time.monotonic(), time.time()
    runs: dict[str, list[dict[str, float]]] = {}
    with watched(release, begun) as moments:
        for user in ("image-rest", "image-grpc"):
            start = len(moments)
            locust(release, user, 100, OUT / user)
            runs[user] = history(OUT / user)
            during = moments[start:]
            most = max(each.ready for each in during)
            assert most >= 2, during
            before, after = latencies(runs[user], epoch + second_ready(during))
            print(
                f"\n{user}: up to {most} replicas, p95 with one {before:.2f} s, "
                f"at the end {after:.2f} s"
            )
            # Seconds depend on what else the machine does.
            assert after <= before / 1.5, "more replicas did not help"
            seconds = wait_until(
                lambda: release.get("deployment", name)["spec"]["replicas"] == 1, 120, "back to one"
            )
            print(f"one replica {seconds:.0f} s after the load")
            time.sleep(3)
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"moments": [asdict(each) for each in moments], "runs": runs}
    (OUT / "autoscaling.json").write_text(json.dumps(record))
    draw(moments, runs, epoch)
