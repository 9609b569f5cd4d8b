"""Workers that hang are ended, and no others. Real processes take the place of workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from deepfake_serving.model_server.torchserve import stalled_workers
from deepfake_serving.model_server.torchserve.stalled_workers import StalledWorkers

CHECKS = stalled_workers._MIN_CHECKS


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled_workers, "_MIN_S", 0.0)


@pytest.fixture
def hanging() -> Iterator[subprocess.Popen[bytes]]:
    """A process that uses no processor time, after its start."""
    program = "import sys, time; print(flush=True); time.sleep(600)"
    yield from _run(program)


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that computes for a moment whenever it gets a line."""
    program = (
        "import sys, time\n"
        "print(flush=True)\n"
        "for line in sys.stdin:\n"
        "    end = time.process_time() + 0.05\n"
        "    while time.process_time() < end: pass\n"
        "    print(flush=True)\n"
    )
    yield from _run(program)


def _run(program: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        _read_line(process)
        yield process
        process.kill()


def _read_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.readline()


async def test_workers_that_hang_with_requests_are_ended(hanging: subprocess.Popen[bytes]) -> None:
    stalled = StalledWorkers()
    for _ in range(CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=1)
        assert hanging.poll() is None
    stalled.check("detector", [hanging.pid], in_flight=1)
    assert hanging.wait(60) == -9


async def test_idle_workers_live(hanging: subprocess.Popen[bytes]) -> None:
    stalled = StalledWorkers()
    for number in range(3 * CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=number % CHECKS)
        stalled.check("faces", [], in_flight=1)
    assert hanging.poll() is None


async def test_a_worker_that_computes_keeps_the_others(
    hanging: subprocess.Popen[bytes], busy: subprocess.Popen[bytes]
) -> None:
    """An idle worker looks like one that hangs, so only all of them are ended."""
    stalled = StalledWorkers()
    assert busy.stdin is not None
    for _ in range(2 * CHECKS):
        stalled.check("detector", [hanging.pid, busy.pid], in_flight=1)
        busy.stdin.write(b"\n")
        busy.stdin.flush()
        _read_line(busy)
    assert hanging.poll() is None


async def test_a_pause_of_the_model_server_ends_no_worker(
    hanging: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled_workers, "_MIN_S", 3600.0)
    stalled = StalledWorkers()
    for _ in range(2 * CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=1)
    assert hanging.poll() is None
