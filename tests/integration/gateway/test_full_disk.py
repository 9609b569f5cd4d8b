"""A gateway whose disk is full, which is a real file system of eight megabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.published_schema import checked_client
from tests.support.requests import problem_of
from tests.support.running import GUARD_S, RunningGateway, RunningServer
from tests.support.small_disk import fill, small_disk

pytestmark = pytest.mark.integration


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "8m") as folder:
        yield folder


def test_a_full_disk_is_a_problem_and_affects_nothing_else(
    server: RunningServer, tmp_path: Path, disk: Path, astronaut_jpeg: bytes, video: Path
) -> None:
    objects = f"file://{disk}/objects"
    with RunningGateway.start(tmp_path, server.url, objects=objects) as gateway:
        with checked_client(gateway.url, timeout=GUARD_S) as api:
            problem_of(api.post("/v1/videos", content=bytes(9 * 2**20)), 507, "storage-full")
            assert api.post("/v1/images", content=astronaut_jpeg).status_code == 200
            assert api.post("/v1/videos", content=video.read_bytes()).status_code == 202
            assert api.get("/v1/jobs").json()["jobs"][0]["source"]["bytes"] == video.stat().st_size
        assert gateway.stop() == 0


@pytest.mark.slow
def test_a_full_disk_turns_uploads_off_and_lets_jobs_be_read_and_deleted(
    server: RunningServer, disk: Path, astronaut_jpeg: bytes, video: Path
) -> None:
    """Database and objects share the disk, to the last byte of which another process writes."""
    with RunningGateway.start(disk, server.url) as gateway:
        with checked_client(gateway.url, timeout=GUARD_S) as api:
            job = api.post("/v1/videos", content=video.read_bytes()).json()["id"]
            gateway.wait_until(
                lambda: api.get(f"/v1/jobs/{job}").json()["state"] == "succeeded", 120, "analysed"
            )
            filler = fill(disk)
            refused = api.post("/v1/videos", content=video.read_bytes())
            problem_of(refused, 507, "storage-full")
            assert refused.headers["Retry-After"]
            ready = api.get("/readyz")
            assert (ready.status_code, ready.json()["ready"]) == (200, True)
            assert any(each.startswith("uploads: ") for each in ready.json()["degraded"])
            assert api.post("/v1/images", content=astronaut_jpeg).status_code == 200
            assert api.get(f"/v1/jobs/{job}/media").content == video.read_bytes()
            assert api.get(f"/v1/jobs/{job}").json()["result"]["shots"]
            assert api.delete(f"/v1/jobs/{job}").status_code == 204
            problem_of(api.get(f"/v1/jobs/{job}"), 404, "not-found")
            filler.unlink()
            assert api.get("/readyz").json()["degraded"] == []
            assert api.post("/v1/videos", content=video.read_bytes()).status_code == 202
        assert gateway.stop() == 0
    assert {"disk full: uploads refused", "uploads accepted again"} <= {
        event["event"] for event in gateway.events()
    }
