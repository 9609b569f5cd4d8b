"""Memory of TorchServe's Java after a burst."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.running import GUARD_S, JVM_OPTIONS, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MIB = 2**20
PADDING = bytes(4 * MIB)
"""Behind the end of a JPEG, which decoders do not read."""


def test_java_returns_memory_after_a_burst(archive_folder: Path, astronaut: Pixels) -> None:
    """A serial collector keeps 580 MiB of a burst for ever."""
    soon = f"{JVM_OPTIONS} -XX:G1PeriodicGCInterval=1000"
    with RunningServer.start(
        archive_folder, models="detector", workers=1, jvm_options=soon, max_queue=64
    ) as server:
        java = psutil.Process(server.java())
        peak = _burst(server, jpeg(astronaut[40:220, 140:320]) + PADDING, java)
        print(f"{peak / MIB:.0f} MiB in a burst")
        server.wait_until(
            lambda: java.memory_info().rss < 0.8 * peak, GUARD_S, "Java returns memory"
        )
        print(f"{java.memory_info().rss / MIB:.0f} MiB after it")


def _burst(server: RunningServer, image: bytes, java: psutil.Process) -> int:
    """Sends 150 images, 16 at once; returns the highest resident memory, bytes."""

    def post(_: int) -> int:
        response = httpx.post(
            f"{server.url}/predictions/detector", content=image, timeout=GUARD_S, trust_env=False
        )
        assert response.status_code == 200
        return int(java.memory_info().rss)

    with ThreadPoolExecutor(16) as pool:
        return max(pool.map(post, range(150)))
