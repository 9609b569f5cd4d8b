"""Workers that hang are ended, and no others. Real processes take the place of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from deepfake_serving.model_server.torchserve import stalled_workers
from deepfake_serving.model_server.torchserve.stalled_workers import StalledWorkers
from tests.support.running import GUARD_S

CHECKS = stalled_workers._MIN_CHECKS


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled_workers, "_MIN_S", 0.0)


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for a message, as a worker does for its next batch."""
    program = "import socket; a, b = socket.socketpair(); print(flush=True); a.recv(1)"
    yield from _run(program)


@pytest.fixture
def stopped(idle: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """A process that was stopped while it waited for a message."""
    idle.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, idle.pid, os.WSTOPPED | os.WNOWAIT)
    return idle


@pytest.fixture
def hanging() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a deadlock."""
    program = "import threading\nlock = threading.Lock()\nprint(flush=True)\nwith lock, lock: pass"
    yield from _run(program)


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not say what a process waits for."""
    monkeypatch.setattr(stalled_workers, "_waits_for_batch", lambda pid: None)


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
        try:
            _read_line(process)
            _await_sleep(process)
            yield process
        finally:
            process.kill()


def _await_sleep(process: subprocess.Popen[bytes]) -> None:
    """Waits until a process that has printed its line waits, too."""
    end = time.monotonic() + GUARD_S
    while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
        assert time.monotonic() < end
        time.sleep(0.001)


def _read_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    process.stdout.readline()


linux = pytest.mark.skipif(sys.platform != "linux", reason="others name no system calls")


@linux
async def test_one_that_hangs_is_ended_and_those_that_wait_or_compute_live(
    hanging: subprocess.Popen[bytes], idle: subprocess.Popen[bytes], busy: subprocess.Popen[bytes]
) -> None:
    """Also without requests: it may hold a batch whose clients have left."""
    stalled = StalledWorkers()
    pids = [hanging.pid, idle.pid, busy.pid]
    for _ in range(CHECKS):
        stalled.check("detector", pids, in_flight=0)
        _compute(busy)
        assert hanging.poll() is None
    stalled.check("detector", pids, in_flight=0)
    assert hanging.wait(60) == -9
    assert idle.poll() is None
    assert busy.poll() is None


@linux
async def test_a_stopped_worker_is_ended(stopped: subprocess.Popen[bytes]) -> None:
    stalled = StalledWorkers()
    for _ in range(CHECKS + 1):
        stalled.check("detector", [stopped.pid], in_flight=0)
    assert stopped.wait(60) == -9


@linux
async def test_workers_that_wait_live_although_requests_are_in_flight(
    idle: subprocess.Popen[bytes],
) -> None:
    stalled = StalledWorkers()
    for _ in range(3 * CHECKS):
        stalled.check("detector", [idle.pid], in_flight=1)
    assert idle.poll() is None


@pytest.mark.usefixtures("unknown")
async def test_workers_that_all_hang_with_requests_are_ended(
    hanging: subprocess.Popen[bytes],
) -> None:
    stalled = StalledWorkers()
    for _ in range(CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=1)
        assert hanging.poll() is None
    stalled.check("detector", [hanging.pid], in_flight=1)
    assert hanging.wait(60) == -9


@pytest.mark.usefixtures("unknown")
async def test_still_workers_live_while_there_are_no_requests(
    hanging: subprocess.Popen[bytes],
) -> None:
    stalled = StalledWorkers()
    for number in range(3 * CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=number % CHECKS)
        stalled.check("faces", [], in_flight=1)
    assert hanging.poll() is None


@pytest.mark.usefixtures("unknown")
async def test_a_worker_that_computes_keeps_the_others(
    hanging: subprocess.Popen[bytes], busy: subprocess.Popen[bytes]
) -> None:
    """An idle worker looks like one that hangs, so only all of them are ended."""
    stalled = StalledWorkers()
    for _ in range(2 * CHECKS):
        stalled.check("detector", [hanging.pid, busy.pid], in_flight=1)
        _compute(busy)
    assert hanging.poll() is None


async def test_a_pause_of_the_model_server_ends_no_worker(
    hanging: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled_workers, "_MIN_S", 3600.0)
    stalled = StalledWorkers()
    for _ in range(2 * CHECKS):
        stalled.check("detector", [hanging.pid], in_flight=1)
    assert hanging.poll() is None


def _compute(busy: subprocess.Popen[bytes]) -> None:
    assert busy.stdin is not None
    busy.stdin.write(b"\n")
    busy.stdin.flush()
    _read_line(busy)
