"""A receiver of webhooks on loopback."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Deliveries = list[tuple[dict[str, str], bytes]]
"""Headers and bodies."""


class _Receiver(BaseHTTPRequestHandler):
    deliveries: Deliveries

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.deliveries.append((dict(self.headers), body))
        self.send_response(503 if len(self.deliveries) == 1 else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def webhook_receiver() -> Iterator[tuple[str, Deliveries]]:
    """Runs a receiver that fails the first time; yields its URL and what it has received."""
    deliveries: Deliveries = []
    handler = type("Handler", (_Receiver,), {"deliveries": deliveries})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", deliveries
        server.shutdown()
        thread.join()
