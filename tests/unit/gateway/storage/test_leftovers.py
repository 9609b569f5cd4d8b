"""Leftovers in a folder of objects: none of deleted objects, and none of killed writers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepfake_serving.gateway.jobs import maintenance
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.queue.store import open_store
from deepfake_serving.gateway.settings import Settings
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.runtime.tasks import background
from tests.support.running import GUARD_S

WRITER = """
import asyncio, sys
from deepfake_serving.gateway.storage.objects import Objects

async def content():
    yield bytes(9 * 2**20)
    await asyncio.Event().wait()

asyncio.run(Objects.open(sys.argv[1]).put("jobs/killed/media", content()))
"""


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_killed_writers_and_deleted_objects_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "objects"
    objects = Objects.open(f"file://{folder}")
    for key in ("jobs/deleted/gallery/a.jpg", "jobs/kept/media", "jobs/kept/gallery/a.jpg"):
        await objects.put(key, b"x")
    await objects.delete_all("jobs/deleted")
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, f"file://{folder}")
    async with asyncio.timeout(GUARD_S):
        while not any((folder / "jobs").glob("killed/*")):
            await asyncio.sleep(0.02)
    writer.kill()
    await writer.wait()
    found = left(folder)
    await objects.delete_leftovers("jobs", time.time() - 3600)
    assert left(folder) == found, "they may be in use"
    monkeypatch.setattr(maintenance, "_LEFTOVER_AGE_S", -1.0)
    monkeypatch.setattr(maintenance, "_RETENTION_INTERVAL_S", 0.01)
    async with open_store(f"sqlite:///{tmp_path}/jobs", max_queued=9, max_attempts=1) as store:
        working = maintenance.run_maintenance(Settings(), store, objects, Metrics())
        async with background(working), asyncio.timeout(GUARD_S):
            while left(folder) & {"jobs/deleted", "jobs/killed"}:
                await asyncio.sleep(0.02)
    assert left(folder) == {
        "jobs", "jobs/kept", "jobs/kept/media", "jobs/kept/gallery", "jobs/kept/gallery/a.jpg",
    }  # fmt: skip


UPLOAD = """
import os, signal
from deepfake_serving.gateway.storage.spool import Spool

with Spool(2**22) as spool:
    spool.create("film.mp4").write(bytes(2**21))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_uploads_end_with_a_killed_process(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", UPLOAD], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert left(tmp_path) == set()
