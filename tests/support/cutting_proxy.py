"""A TCP proxy that cuts connections after a number of the client's bytes."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class CuttingProxy(socketserver.ThreadingTCPServer):
    """Forwards to a port of this machine. `received` counts the bytes of clients."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, cuts: list[int]) -> None:
        """`cuts` are counts of bytes, over all connections, at which one is cut."""
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port, self.cuts, self.received = port, cuts, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: CuttingProxy
    request: socket.socket

    def handle(self) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.port)) as upstream,
        ):
            threading.Thread(target=self._respond, args=(upstream,), daemon=True).start()
            while data := self.request.recv(2**16):
                upstream.sendall(data)
                self.server.received += len(data)
                if self.server.cuts and self.server.received >= self.server.cuts[0]:
                    self.server.cuts.pop(0)
                    return

    def _respond(self, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(2**16):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_RDWR)
