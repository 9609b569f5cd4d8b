"""Connections to model servers, which fail soon when their peer has vanished.

A host without a network sends no reset: what was sent would be repeated for minutes (RFC 9293), and
a connection without traffic would stay open for two hours. Health checks notice such a replica
first; this closes what they do not see, such as connections that are idle.
"""

from __future__ import annotations

import os
import socket
import ssl

import aiohttp
import structlog

from deepfake_serving.contracts.problems import UpstreamUnavailable

log = structlog.get_logger(__name__)

_UNACKNOWLEDGED_MS = 8000
_IDLE_S, _INTERVAL_S, _PROBES = 5, 1, 3
_OPTIONS = {
    "TCP_KEEPIDLE": _IDLE_S,
    "TCP_KEEPINTVL": _INTERVAL_S,
    "TCP_KEEPCNT": _PROBES,
    "TCP_USER_TIMEOUT": _UNACKNOWLEDGED_MS,
}
GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
]
"""Options of channels: a connection with calls that is silent for 10 s is pinged."""


def connector(tls: ssl.SSLContext | None = None) -> aiohttp.TCPConnector:
    """Returns a connector for any number of connections to model servers.

    Args:
        tls: of `https://`; None: it has the system's CAs.
    """
    return aiohttp.TCPConnector(limit=0, socket_factory=open_socket, ssl=tls or True)


def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Returns a socket that is not yet connected; a system may lack some of the options."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


def lost(url: str, error: Exception) -> UpstreamUnavailable:
    """Logs the loss of a replica, and returns the problem for clients: it names no address."""
    log.warning("model server lost", url=url, reason=str(error) or type(error).__name__)
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else type(error).__name__
    return UpstreamUnavailable(f"a model server was lost: {reason}", retry_after_s=5)
