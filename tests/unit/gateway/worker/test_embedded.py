"""The gateway's worker process is started again, also when a process could not be started."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from deepfake_serving.gateway.worker import embedded
from deepfake_serving.gateway.worker.embedded import EmbeddedWorker
from tests.support.running import GUARD_S


async def test_a_worker_that_cannot_be_started_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_BACKOFF_S", 0.02)
    program, started = tmp_path / "worker", tmp_path / "started"
    worker = EmbeddedWorker(str(program), "-c", f"open({str(started)!r}, 'w'); input()")
    with capture_logs() as logs:
        async with worker.running(), asyncio.timeout(GUARD_S):
            while not logs:
                await asyncio.sleep(0.01)
            program.symlink_to(sys.executable)
            while not started.exists():
                await asyncio.sleep(0.01)
    assert {each["event"] for each in logs} == {"worker not started"}
    assert worker.process is not None
    assert worker.process.returncode == -15
