"""A limit of open HTTP connections: past it, the one that has been idle for the longest is closed.

Otherwise the process runs out of file descriptors, and refuses every further client in silence.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

_FREE_SHARE = 8
"""One of so many file descriptors is left to the job store, media and model servers."""
_MIN_FREE, _MAX_BACKLOG = 64, 2048
_LOG_INTERVAL_S = 10.0


class Connection(Protocol):
    """A connection with a transport."""

    transport: asyncio.Transport


class ConnectionTable:
    """The open connections of a server, those that are idle in the order since when they are."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections, self._open = max_connections, 0
        self._idle: dict[Connection, None] = {}
        self._logged_at = -_LOG_INTERVAL_S

    def opened(self, connection: Connection) -> None:
        """Adds a connection, which is idle. Closes the oldest idle one if there are too many; this
        one if none is idle."""
        self._open += 1
        self.idle(connection)
        if self._open > self._max_connections or _files_run_out(connection.transport, self._open):
            oldest = next(iter(self._idle))
            self._log(newest=oldest is connection)
            del self._idle[oldest]
            oldest.transport.abort()

    def idle(self, connection: Connection) -> None:
        """Notes that a connection waits for a request."""
        self._idle[connection] = None

    def busy(self, connection: Connection) -> None:
        """Notes that a connection has a request."""
        self._idle.pop(connection, None)

    def closed(self, connection: Connection) -> None:
        """Removes a connection."""
        self._open -= 1
        self.busy(connection)

    def _log(self, *, newest: bool) -> None:
        if time.monotonic() - self._logged_at < _LOG_INTERVAL_S:
            return
        self._logged_at = time.monotonic()
        fields = {"open": self._open, "idle": len(self._idle), "files": _max_files()}
        if newest:
            log.warning("too many connections: new ones refused", **fields)
        else:
            log.warning("too many connections", **fields)


def _files_run_out(transport: asyncio.Transport, connections: int) -> bool:
    """Returns whether few file descriptors are left.

    A new one has the lowest free number, which shows it at no cost, unless one was just closed. So
    they are counted once connections have half of them.
    """
    limit = _max_files()
    allowed = limit - _spare_files()
    number: int = transport.get_extra_info("socket").fileno()
    return number >= allowed or (connections > limit // 2 and len(os.listdir("/dev/fd")) > allowed)


def max_backlog() -> int:
    """Returns how many connections may wait to be accepted.

    All of them are accepted at once, before the first is added to the table, so they must not need
    more files than are left.
    """
    return min(_MAX_BACKLOG, _spare_files() // 2)


def _spare_files() -> int:
    return max(_MIN_FREE, _max_files() // _FREE_SHARE)


def _max_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
