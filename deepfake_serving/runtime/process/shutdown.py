"""Graceful shutdown: stop signals, requests in flight, the drain between the two, and children."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

_IDLE_S = 0.25
"""Seconds without a request after the listeners closed, until the server counts as idle."""
_POLL_S = 0.02
CLOSE_S = 2.0
"""Seconds in which responses are written and connections closed, after the drain or without one."""
_PR_SET_PDEATHSIG = 1


def on_stop_signal(callback: Callable[[], object]) -> None:
    """Calls `callback` at every SIGTERM, SIGINT and SIGHUP, in place of their default actions.

    SIGHUP is sent when a terminal is closed. Under nohup(1) it stays ignored.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, callback)


def stop_signals() -> asyncio.Queue[None]:
    """Returns a queue that receives one item for every stop signal."""
    signals: asyncio.Queue[None] = asyncio.Queue()
    on_stop_signal(lambda: signals.put_nowait(None))
    return signals


class InFlight:
    """Counts requests without a response yet, whose bodies may still be arriving.

    `closing` is set once no new connections are accepted. Streams that have no end of their own,
    such as the events of a job, end then.
    """

    def __init__(self) -> None:
        self.count = 0
        self.closing = asyncio.Event()

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
    stop_grpc: Callable[[float], Awaitable[None]],
    *,
    delay_s: float,
    timeout_s: float,
) -> None:
    """Serves for `delay_s` more, closes the listeners, and waits until the server is idle.

    Open connections stay usable meanwhile: a load balancer may not have noticed yet that the server
    is no longer ready. Clients of gRPC may call on without a pause, because only the end of its
    server closes their connections (GOAWAY). It ends after half of `timeout_s`, so that the last
    calls have the other half. Returns after `timeout_s` even if requests are still in flight.

    Args:
        stop_grpc: accepts no more calls; returns when those in flight have ended, or been cancelled
            after that many seconds.
    """
    await asyncio.sleep(delay_s)
    in_flight.closing.set()
    await close_listeners()
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    await _until_idle(in_flight, end - timeout_s / 2)
    await stop_grpc(max(0.0, end - loop.time()))
    await _until_idle(in_flight, end)


async def _until_idle(in_flight: InFlight, end: float) -> None:
    """Waits until there has been no request for a moment, or until `end` on the loop's clock."""
    loop = asyncio.get_running_loop()
    idle_since = loop.time()
    while loop.time() < end and loop.time() - idle_since < _IDLE_S:
        if in_flight.count:
            idle_since = loop.time()
        await asyncio.sleep(_POLL_S)


def end_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Returns a `preexec_fn` by which the child gets a signal when its parent dies (prctl(2)).

    The parent's death counts even by SIGKILL, which it can't handle. None outside Linux.
    """
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def set_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it has died before the call
            os.kill(os.getpid(), number)

    return set_signal
