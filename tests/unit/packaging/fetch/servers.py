"""A web server on loopback, with failures."""

from __future__ import annotations

import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

import trustme

from tests.unit.packaging.fetch.material import BODY


class _Server(ThreadingHTTPServer):
    """A server whose clients may disconnect in the middle of a response."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], authority: trustme.CA | None = None
) -> Iterator[str]:
    """Serves on a free loopback port, over TLS if there is an authority; yields host:port."""
    with _Server(("127.0.0.1", 0), handler) as server:
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


requests_so_far = count()
"""Counts requests to paths with varying responses; tests reset it."""


class Files(Handler):
    """Serves BODY at /models/a.mar, and failures at the other paths."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        match unquote(url.path).split("/")[1:]:
            case ["models", "a.mar"]:
                self.respond(200, BODY, last_modified="Thu, 01 Jan 1970 00:00:00 GMT", etag='"1"')
            case ["signed"]:
                self.respond(*((200, BODY) if url.query == "key=a%2Fb&sig=x" else (403, b"denied")))
            case ["moved"]:
                self.respond(302, location="/models/a.mar")
            case ["downgraded"]:
                self.respond(302, location=f"http://{self.headers['host']}/models/a.mar")
            case ["loop"]:
                self.respond(302, location="/loop")
            case ["broken"]:
                self.respond(500)
            case ["cut", length]:
                self.respond(200, BODY[: int(length)], content_length=str(len(BODY)))
                self.close_connection = True
            case ["stalled"]:
                self.respond(200, BODY, content_length=str(len(BODY) + 1))
                with suppress(ConnectionError):
                    self.rfile.read(1)  # until the client disconnects
            case ["unstated"]:
                self.respond(200, BODY, content_length="")
                self.close_connection = True
            case ["fragile", cut, tag, skew]:
                etags = {"same": '"1"', "weak": 'W/"1"', "new": f'"{next(requests_so_far)}"'}
                self.fragile(int(cut), etags[tag], int(skew))
            case ["busy", times]:
                busy = next(requests_so_far) < int(times)
                self.respond(503 if busy else 200, BODY, retry_after="3600" if busy else "")
            case _:
                self.respond(404, b"no such file")

    def fragile(self, cut: int, etag: str, skew: int) -> None:
        """Sends a range, if the file is unchanged, that breaks off after some bytes."""
        requested = self.headers["Range"] if self.headers["If-Range"] == etag else None
        begin = int(requested.removeprefix("bytes=").removesuffix("-")) + skew if requested else 0
        ranged = (
            {"content_range": f"bytes {begin}-{len(BODY) - 1}/{len(BODY)}"} if requested else {}
        )
        length, sent = str(len(BODY) - begin), BODY[begin : begin + cut]
        self.respond(206 if requested else 200, sent, content_length=length, etag=etag, **ranged)
        self.close_connection = True
