"""Ports for servers that can't choose one themselves."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 10_000, 30_000
"""Below those that the system gives to connections and to servers that ask for any port."""
_COUNTER = Path(tempfile.gettempdir()) / f"deepfake-serving-test-ports-{os.getuid()}"


def free_port() -> int:
    """Returns a port that nothing listens on, and that no other process of the tests gets soon."""
    with _COUNTER.open("a+b") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        port = int(counter.read() or _FIRST)
        while True:
            port = port + 1 if port < _LAST else _FIRST
            if _is_free(port):
                break
        counter.truncate(0)
        counter.write(b"%d" % port)
    return port


def free_ports(count: int) -> list[int]:
    """Returns several ports, all different."""
    return [free_port() for _ in range(count)]


def _is_free(port: int) -> bool:
    both = socket.has_dualstack_ipv6()
    family, host = (socket.AF_INET6, "::") if both else (socket.AF_INET, "")
    try:
        socket.create_server((host, port), family=family, dualstack_ipv6=both).close()
    except OSError:
        return False
    return True
