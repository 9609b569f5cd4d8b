"""Ports for servers that can't choose one themselves."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Returns a port of the loopback address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
