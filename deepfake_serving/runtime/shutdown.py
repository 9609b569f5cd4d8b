"""Graceful shutdown: stop signals, requests in flight, and the drain between the two."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

_IDLE_S = 0.25
"""Seconds without a request after the listeners closed, until the server counts as idle."""
_POLL_S = 0.02


def on_stop_signal(callback: Callable[[], object]) -> None:
    """Calls `callback` at every SIGTERM and SIGINT, in place of their default actions."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, callback)


def stop_signals() -> asyncio.Queue[None]:
    """Returns a queue that receives one item for every SIGTERM and SIGINT."""
    signals: asyncio.Queue[None] = asyncio.Queue()
    on_stop_signal(lambda: signals.put_nowait(None))
    return signals


class InFlight:
    """Counts requests without a response yet, whose bodies may still be arriving."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def track(self) -> Iterator[None]:
        """Counts one request while the block runs."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


async def drain(
    in_flight: InFlight,
    close_listeners: Callable[[], Awaitable[None]],
    *,
    delay_s: float,
    timeout_s: float,
) -> None:
    """Serves for `delay_s` more, closes the listeners, and waits until the server is idle.

    Open connections stay usable meanwhile: a load balancer may not have noticed yet that the server
    is no longer ready. Returns after `timeout_s` even if requests are still in flight.
    """
    await asyncio.sleep(delay_s)
    await close_listeners()
    loop = asyncio.get_running_loop()
    idle_since, end = loop.time(), loop.time() + timeout_s
    while loop.time() < end and loop.time() - idle_since < _IDLE_S:
        if in_flight.count:
            idle_since = loop.time()
        await asyncio.sleep(_POLL_S)
