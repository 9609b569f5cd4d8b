"""Listening sockets: failures to bind as wrong settings, and the metrics listener."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from prometheus_client import start_http_server

from deepfake_serving.runtime.metrics import ServerMetrics
from deepfake_serving.runtime.settings import SettingsError

if TYPE_CHECKING:
    import grpc.aio

_ALL = "::"
"""The address of all interfaces, which sockets of both protocols accept connections at."""

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@contextmanager
def bind_errors(variable: str, host: str, port: int) -> Iterator[None]:
    """Turns a failure to bind `host:port` into a `SettingsError` that names the variable to set."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else "can't be bound"
        raise SettingsError(f"{host}:{port}: {reason}. Set {variable} to another port") from error


def open_listener(host: str, port: int, backlog: int = 2048) -> socket.socket:
    """Returns a socket that listens on a TCP port; 0 takes a free one.

    Args:
        host: an address; `::` stands for all of IPv4 and IPv6.
        backlog: the most connections that wait to be accepted; further ones are retried by TCP.

    Raises:
        OSError: the port can't be bound.
    """
    host = without_missing_ipv6(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == _ALL and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)


def without_missing_ipv6(host: str) -> str:
    """Returns `0.0.0.0` for `::` on a kernel without IPv6, as gRPC does."""
    return "0.0.0.0" if host == _ALL and not socket.has_dualstack_ipv6() else host


def bind_grpc(
    host: str,
    server: grpc.aio.Server,
    port: int,
    *,
    variable: str,
    credentials: grpc.ServerCredentials | None = None,
) -> int:
    """Binds a gRPC server's port, with TLS where it has credentials; returns the port.

    Raises:
        SettingsError: the port can't be bound; it names the variable.
    """
    address = f"[{host}]" if ":" in host else host
    with bind_errors(variable, address, port):
        if credentials is not None:
            return int(server.add_secure_port(f"{address}:{port}", credentials))
        return int(server.add_insecure_port(f"{address}:{port}"))


@asynccontextmanager
async def metrics_listener(
    metrics: ServerMetrics, host: str, port: int, variable: str
) -> AsyncIterator[int]:
    """Serves `/metrics` on a separate port while the block runs; yields the port.

    Raises:
        SettingsError: the port can't be bound; it names the variable.
    """
    with bind_errors(variable, host, port):
        server, thread = start_http_server(port, without_missing_ipv6(host), metrics.registry)
    server.set_app(_only_metrics(server.get_app()))
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


def _only_metrics(exposition: Any) -> WsgiApp:
    """Restricts prometheus_client's application, which serves every path, to `/metrics`."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            response: Iterable[bytes] = exposition(environ, start_response)
            return response
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"not found\n"]

    return app
