"""Live streams: frames at a constant rate, independent of the responses."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import gevent
import websocket
from locust import task
from locust.user.task import LOCUST_STATE_STOPPING

from loadtest import checks
from loadtest.frames import Frames
from loadtest.gates import DROPPED
from loadtest.media import Image
from loadtest.responses import Document, InvalidResponse, Refused, problem
from loadtest.users import tls
from loadtest.users.base import GatewayUser

_KIND, _PATH = "WS", "/v1/stream"
_DISCONNECTED = (OSError, websocket.WebSocketException)


class Live(GatewayUser):
    """`WS /v1/stream`, repeatedly. A frame is timed from its sending to its verdict."""

    measure = (_KIND, _PATH)

    @task
    def watch(self) -> None:
        begun = time.perf_counter()
        try:
            socket = self._connect()
            try:
                _Stream(self, socket).run()
            finally:
                socket.close()
        except (Refused, InvalidResponse) as error:
            self.count(*self.measure, time.perf_counter() - begun, error)

    @property
    def stopping(self) -> bool:
        """Whether the user is being stopped."""
        return bool(self._state == LOCUST_STATE_STOPPING)

    def _connect(self) -> Any:
        url = self.server.replace("http", "ws", 1) + _PATH
        headers = [f"{name}: {value}" for name, value in self.authorization().items()]
        options = {"context": tls.context()} if url.startswith("wss:") else None
        try:
            return websocket.create_connection(
                url, self.options.timeout, header=headers, sslopt=options
            )
        except _DISCONNECTED as error:
            raise InvalidResponse(f"no connection: {type(error).__name__}") from error


class _Stream:
    """One connection: one greenlet sends, another reads."""

    def __init__(self, user: Live, socket: Any) -> None:
        self._user, self._socket, self._options = user, socket, user.options
        self._frames = Frames()
        self._sent: dict[int, Image] = {}

    def run(self) -> None:
        """Raises `Refused` or `InvalidResponse` if the stream as a whole failed."""
        reader = gevent.spawn(self._read)
        try:
            self._send(reader)
            self._wait_for_responses(reader)
        finally:
            reader.kill()
        self._frames.end()

    def _send(self, reader: gevent.Greenlet) -> None:
        """Sends all frames, or until the stream breaks; the reader reports why."""
        begun, pause = time.perf_counter(), 1 / self._options.live_fps
        for n in range(max(1, round(self._options.live_seconds * self._options.live_fps))):
            gevent.sleep(max(0.0, begun + n * pause - time.perf_counter()))
            if reader.ready() or (n and self._user.stopping):
                return
            image = next(self._user.images)
            self._sent[self._frames.send(time.perf_counter())] = image
            try:
                self._socket.send_binary(image.unique_bytes())
            except _DISCONNECTED:
                return

    def _wait_for_responses(self, reader: gevent.Greenlet) -> None:
        """Waits for the missing responses."""
        ends = time.perf_counter() + self._options.timeout
        while not (self._frames.complete or reader.ready()):
            if time.perf_counter() > ends:
                raise InvalidResponse("a response did not arrive in time")
            reader.join(0.02)
        if reader.ready():
            raise reader.value

    def _read(self) -> Refused | InvalidResponse:
        """Reads messages until one ends the stream or the connection breaks."""
        try:
            while True:
                self._count_response(json.loads(self._receive()))
        except (Refused, InvalidResponse) as error:
            return error
        except ValueError:
            return InvalidResponse("a message that is not JSON")
        except _DISCONNECTED as error:
            return InvalidResponse(f"the stream broke: {type(error).__name__}")

    def _receive(self) -> Any:
        """Returns the next message. A timeout ends nothing, because frames may be far apart."""
        while True:
            with contextlib.suppress(websocket.WebSocketTimeoutException):
                return self._socket.recv()

    def _count_response(self, message: Document) -> None:
        number, age, dropped = self._frames.receive(message, time.perf_counter())
        for each in dropped:
            self._user.count(_KIND + DROPPED, _PATH, each)
        self._user.count(_KIND, _PATH, age, _frame_error(message, self._sent.pop(number)))


def _frame_error(message: Document, image: Image) -> Refused | InvalidResponse | None:
    """Returns the error of the response to a frame, if there is one."""
    try:
        if "problem" in message:
            return problem(message["problem"])
        checks.image_verdict(message.get("verdict"), image)
    except InvalidResponse as wrong:
        return wrong
    return None
