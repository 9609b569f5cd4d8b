"""Latency added by the gateway: the same image with and without it, in turns.

`python -m benchmarks.gateway_bench`
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from deepfake_serving.packaging.archive import build_archive
from tests.support.paths import ROOT
from tests.support.running import RunningGateway, RunningServer

_ROUNDS = 300
_WARMUP = 30


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        build_archive(ROOT / "config" / "models" / "detector.yaml", folder)
        with RunningServer.start(folder, models="detector", workers=2) as server:
            data = folder / "data"
            with RunningGateway.start(data, server.url, embedded_worker="false") as gateway:
                image = (
                    ROOT / "deepfake_serving" / "model_server" / "assets" / "warmup.jpg"
                ).read_bytes()
                _measure(server.url, gateway.url, image)


def _measure(past: str, through: str, image: bytes) -> None:
    requests = {
        "direct": f"{past}/predictions/detector",
        "raw body": f"{through}/v1/images",
        "form": f"{through}/v1/images",
    }
    seconds: dict[str, list[float]] = {name: [] for name in requests}
    with httpx.Client(timeout=60) as client:
        for turn in range(_WARMUP + _ROUNDS):
            for name, url in requests.items():
                body = {"files": {"file": image}} if name == "form" else {"content": image}
                begun = time.perf_counter()
                client.post(url, **body).raise_for_status()
                if turn >= _WARMUP:
                    seconds[name].append(time.perf_counter() - begun)
    base = np.array(seconds["direct"])
    print(f"an image of {len(image) // 1024} KiB, one client, {_ROUNDS} in turns")
    for name, durations in seconds.items():
        added = np.array(durations) - base
        low, high = np.percentile(
            [np.median(np.random.default_rng(n).choice(added, len(added))) for n in range(500)],
            [2.5, 97.5],
        )
        print(
            f"{name:9} p50 {statistics.median(durations) * 1000:6.2f} ms"
            f"   adds {np.median(added) * 1000:+.2f} ms [{low * 1000:+.2f}, {high * 1000:+.2f}]"
        )


if __name__ == "__main__":
    main()
