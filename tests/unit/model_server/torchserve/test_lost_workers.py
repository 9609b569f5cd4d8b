"""Real processes that end by themselves or on purpose."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from deepfake_serving.model_server.limits.resources import oom_kills
from deepfake_serving.model_server.torchserve.lost_workers import LostWorkers


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("reaped", [True, False])
def test_a_worker_that_ends_is_reported_once(
    process: subprocess.Popen[bytes], reaped: bool
) -> None:
    reported: list[str] = []
    lost = LostWorkers(reported.append)
    lost.check("detector", [process.pid], expected=False)
    lost.check("detector", [], expected=False)  # it is not ready, but runs
    assert reported == []
    process.kill()
    if reaped:
        process.wait()
    with capture_logs() as logs:
        while not reported:
            lost.check("detector", [], expected=False)
    assert logs[0] == {
        **{"event": "worker ended", "log_level": "warning"},
        **{"model": "detector", "pid": process.pid, "oom_kills": oom_kills()},
    }
    lost.check("detector", [], expected=False)
    assert reported == ["detector"]


def test_a_worker_that_was_ended_on_purpose_is_not_reported(
    process: subprocess.Popen[bytes],
) -> None:
    reported: list[str] = []
    lost = LostWorkers(reported.append)
    lost.check("detector", [process.pid], expected=True)
    process.kill()
    process.wait()
    lost.check("detector", [], expected=True)
    lost.check("detector", [], expected=False)
    assert reported == []


def test_workers_of_an_earlier_torchserve_are_not_reported(
    process: subprocess.Popen[bytes],
) -> None:
    reported: list[str] = []
    lost = LostWorkers(reported.append)
    lost.check("detector", [process.pid], expected=False)
    process.kill()
    process.wait()
    lost.forget()
    lost.check("detector", [], expected=False)
    assert reported == []
