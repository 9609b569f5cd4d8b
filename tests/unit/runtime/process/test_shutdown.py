"""Stop signals and the drain that follows."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from deepfake_serving.runtime.process.shutdown import InFlight, drain

RECEIVER = """
import asyncio
from deepfake_serving.runtime.process.shutdown import stop_signals

async def main():
    signals = stop_signals()
    for number in range(3):
        print(number, flush=True)
        if number < 2:
            await signals.get()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_stop_signal_is_queued(number: signal.Signals) -> None:
    command = [sys.executable, "-c", RECEIVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for received in range(2):
            assert process.stdout.readline() == f"{received}\n"
            process.send_signal(number)
        assert process.stdout.readline() == "2\n"
        assert process.wait(60) == 0


async def nothing(*_: float) -> None:
    pass


async def test_a_drain_closes_the_listeners_and_waits_for_requests_in_flight() -> None:
    in_flight, closed = InFlight(), asyncio.Event()

    async def close() -> None:
        assert in_flight.closing.is_set(), "streams end"
        closed.set()

    with in_flight.track():
        draining = asyncio.create_task(drain(in_flight, close, nothing, delay_s=0, timeout_s=60))
        await closed.wait()
        await asyncio.sleep(0.5)
        assert not draining.done()
    await asyncio.wait_for(draining, 50)
    assert in_flight.count == 0


async def test_a_drain_ends_at_its_timeout() -> None:
    in_flight = InFlight()
    with in_flight.track():
        draining = drain(in_flight, nothing, nothing, delay_s=0, timeout_s=0.1)
        await asyncio.wait_for(draining, 10)


async def test_calls_in_flight_have_time_left_when_others_follow_without_a_pause() -> None:
    """A client of gRPC keeps its connection for as long as the server runs."""
    in_flight, left_s = InFlight(), []

    async def stop_grpc(grace_s: float) -> None:
        left_s.append(grace_s)
        in_flight.count = 0  # no call follows the last one

    in_flight.count = 1
    await asyncio.wait_for(drain(in_flight, nothing, stop_grpc, delay_s=0, timeout_s=1), 30)
    assert left_s == [pytest.approx(0.5, abs=0.2)]
