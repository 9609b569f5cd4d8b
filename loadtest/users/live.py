"""Live streams: frames at the pace of a camera, whatever the answers do."""

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
from loadtest.media import Picture
from loadtest.responses import Document, Refused, Wrong, problem
from loadtest.users import tls
from loadtest.users.base import Caller

_KIND, _PATH = "WS", "/v1/stream"
_GONE = (OSError, websocket.WebSocketException)


class Live(Caller):
    """`WS /v1/stream`, again and again. A frame takes from its sending until its verdict."""

    measure = (_KIND, _PATH)

    @task
    def watch(self) -> None:
        begun = time.perf_counter()
        try:
            socket = self._connected()
            try:
                _Stream(self, socket).run()
            finally:
                socket.close()
        except (Refused, Wrong) as trouble:
            self.count(*self.measure, time.perf_counter() - begun, trouble)

    @property
    def leaving(self) -> bool:
        """Whether the user is to end."""
        return bool(self._state == LOCUST_STATE_STOPPING)

    def _connected(self) -> Any:
        url = self.server.replace("http", "ws", 1) + _PATH
        headers = [f"{name}: {value}" for name, value in self.authorization().items()]
        options = {"context": tls.context()} if url.startswith("wss:") else None
        try:
            return websocket.create_connection(
                url, self.options.timeout, header=headers, sslopt=options
            )
        except _GONE as error:
            raise Wrong(f"no connection: {type(error).__name__}") from error


class _Stream:
    """One connection: one greenlet sends, another reads."""

    def __init__(self, user: Live, socket: Any) -> None:
        self._user, self._socket, self._options = user, socket, user.options
        self._frames = Frames()
        self._sent: dict[int, Picture] = {}

    def run(self) -> None:
        """Raises `Refused` or `Wrong` where the stream as a whole went wrong."""
        reading = gevent.spawn(self._read)
        try:
            self._send(reading)
            self._settle(reading)
        finally:
            reading.kill()
        self._frames.end()

    def _send(self, reading: gevent.Greenlet) -> None:
        """All frames, unless the stream breaks: what broke it is told by who reads."""
        begun, pause = time.perf_counter(), 1 / self._options.live_fps
        for n in range(max(1, round(self._options.live_seconds * self._options.live_fps))):
            gevent.sleep(max(0.0, begun + n * pause - time.perf_counter()))
            if reading.ready() or (n and self._user.leaving):
                return
            picture = next(self._user.pictures)
            self._sent[self._frames.send(time.perf_counter())] = picture
            try:
                self._socket.send_binary(picture.anew())
            except _GONE:
                return

    def _settle(self, reading: gevent.Greenlet) -> None:
        """Waits for the answers that are missing."""
        ends = time.perf_counter() + self._options.timeout
        while not (self._frames.complete or reading.ready()):
            if time.perf_counter() > ends:
                raise Wrong("a frame was not answered in time")
            reading.join(0.02)
        if reading.ready():
            raise reading.value

    def _read(self) -> Refused | Wrong:
        """Takes messages until one, or the lack of one, is the end of the stream."""
        try:
            while True:
                self._take(json.loads(self._received()))
        except (Refused, Wrong) as trouble:
            return trouble
        except ValueError:
            return Wrong("a message that is not JSON")
        except _GONE as error:
            return Wrong(f"the stream broke: {type(error).__name__}")

    def _received(self) -> Any:
        """The next message; silence is no end, as frames may be far apart."""
        while True:
            with contextlib.suppress(websocket.WebSocketTimeoutException):
                return self._socket.recv()

    def _take(self, message: Document) -> None:
        number, age, dropped = self._frames.answer(message, time.perf_counter())
        for each in dropped:
            self._user.count(_KIND + DROPPED, _PATH, each)
        self._user.count(_KIND, _PATH, age, _of_frame(message, self._sent.pop(number)))


def _of_frame(message: Document, picture: Picture) -> Refused | Wrong | None:
    """What is wrong about the answer to one frame, if anything is."""
    try:
        if "problem" in message:
            return problem(message["problem"])
        checks.image(message.get("verdict"), picture)
    except Wrong as wrong:
        return wrong
    return None
