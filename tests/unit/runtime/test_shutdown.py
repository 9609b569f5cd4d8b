"""Stop signals and the drain that follows."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from deepfake_serving.runtime.shutdown import InFlight, drain, stop_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_stop_signal_is_queued(number: signal.Signals) -> None:
    signals = stop_signals()
    for _ in range(2):
        os.kill(os.getpid(), number)
        await asyncio.wait_for(signals.get(), 10)


async def test_a_drain_closes_the_listeners_and_waits_for_requests_in_flight() -> None:
    in_flight, closed = InFlight(), asyncio.Event()

    async def close() -> None:
        closed.set()

    with in_flight.track():
        draining = asyncio.create_task(drain(in_flight, close, delay_s=0, timeout_s=60))
        await closed.wait()
        await asyncio.sleep(0.5)
        assert not draining.done()
    await asyncio.wait_for(draining, 10)
    assert in_flight.count == 0


async def test_a_drain_ends_at_its_timeout() -> None:
    in_flight = InFlight()

    async def close() -> None:
        pass

    with in_flight.track():
        await asyncio.wait_for(drain(in_flight, close, delay_s=0, timeout_s=0.1), 10)
