"""Memory of workers after images of many sizes, and the replacement of one that has grown."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from model_handlers.pipeline.decode import Pixels
from tests.support.images import jpeg
from tests.support.load import LoadClients
from tests.support.running import GUARD_S, RunningServer

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MIB = 2**20


def images_of_many_sizes(portrait: Pixels, count: int) -> Iterator[bytes]:
    """Yields portraits, of which no two have the same size."""
    chance, image = random.Random(1), Image.fromarray(portrait)
    for _ in range(count):
        stream = io.BytesIO()
        size = chance.randrange(60, 420), chance.randrange(60, 420)
        image.resize(size).save(stream, "JPEG")
        yield stream.getvalue()


def resident(server: RunningServer) -> list[int]:
    return [psutil.Process(pid).memory_info().rss for pid in server.workers()]


def test_images_of_many_sizes_do_not_grow_a_worker(archive_folder: Path, astronaut: Pixels) -> None:
    """Before kernels of shapes were limited: 50 images 253 MB, 300 images 359 MB."""
    with (
        RunningServer.start(archive_folder, models="detector", workers=1) as server,
        httpx.Client(base_url=server.url, timeout=GUARD_S) as client,
    ):
        sizes = []
        for number, image in enumerate(images_of_many_sizes(astronaut, 250)):
            assert client.post("/predictions/detector", content=image).status_code == 200
            if number == 50:
                sizes = resident(server)
        growth = sum(resident(server)) - sum(sizes)
        print(f"grew by {growth / MIB:.0f} MiB to {sum(resident(server)) / MIB:.0f} MiB")
        assert growth < 40 * MIB
        assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_has_grown_is_replaced_without_a_failed_request(
    archive_folder: Path, astronaut: Pixels, workers: int
) -> None:
    """The limit is 1 MiB, which images of many sizes exceed."""
    settings = {"models": "detector", "workers": workers, "request_timeout_s": GUARD_S}
    with RunningServer.start(archive_folder, **settings, worker_max_growth_bytes=MIB) as server:
        before = server.workers()
        with LoadClients(
            f"{server.url}/predictions/detector", jpeg(astronaut[40:220, 140:320])
        ) as clients:
            clients.until(20)
            _post_until_recycled(server, astronaut)
            clients.until(40)
            counts = clients.stop()
        assert counts.failed == []
        assert counts.refused == 0
        assert server.workers() != before
        assert 'deepfake_upstream_retries_total{model="detector"} 0.0' in metrics(server)
        assert 'deepfake_workers_lost_total{model="detector"} 0.0' in metrics(server)
        assert server.events("worker not recycled") == []
        assert server.events("not ready") == []
        assert server.stop() == 0
        assert server.leftovers() == []


def _post_until_recycled(server: RunningServer, portrait: Pixels) -> None:
    with httpx.Client(base_url=server.url, timeout=GUARD_S) as client:
        for image in images_of_many_sizes(portrait, 1000):
            assert client.post("/predictions/detector", content=image).status_code == 200
            if _recycled(server) >= 1:
                return
    raise AssertionError("no worker was replaced")


def metrics(server: RunningServer) -> str:
    return httpx.get(server.metrics_url, timeout=GUARD_S).text


def _recycled(server: RunningServer) -> float:
    (line,) = (each for each in metrics(server).splitlines() if "workers_recycled_total{" in each)
    return float(line.rpartition(" ")[2])
