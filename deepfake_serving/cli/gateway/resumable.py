"""Uploads of large videos, which go on after the last stored byte when a connection breaks.

The protocol is tus 1.0.0 (https://tus.io/protocols/resumable-upload).
"""

from __future__ import annotations

import contextlib
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from deepfake_serving.cli.gateway.begun_uploads import BegunUpload
from deepfake_serving.cli.gateway_client import GatewayClient, idempotency_header
from deepfake_serving.contracts.problems import (
    Conflict,
    InvalidRequest,
    NotFound,
    Problem,
    UnknownModel,
)

RESUMABLE_BYTES = 8 * 2**20
"""Size from which on a file is worth the additional requests."""
_CHUNK_BYTES = 32 * 2**20  # a proxy that buffers a request loses all of it
_BODY = "application/offset+octet-stream"
_PATH = "/v1/uploads"
_PASSING = (409, 429, 502, 503, 504)
"""Statuses after which an upload goes on. 409: another process sends the same file; of a complete
one, that it can't become the job."""
_PAUSE_S, _MAX_PAUSE_S = 2.0, 30.0
_GIVE_UP_S = 300.0
"""Time without a byte stored, after which an upload is given up."""

Report = Callable[[str, float | None], None]
"""Called with what is being done, and its percentage."""


def is_resumable(video: str) -> bool:
    """Returns whether a video is a file, not a pipe or a URL, and large enough."""
    path = Path(video)
    return path.is_file() and path.stat().st_size >= RESUMABLE_BYTES


class ResumableUpload:
    """The upload of a file that becomes a job."""

    def __init__(
        self, client: GatewayClient, path: Path, report: Report, idempotency: str | None = None
    ) -> None:
        """
        Args:
            idempotency: key of the job.

        Raises:
            InvalidRequest: the key can't be sent.
            OSError: the file can't be read.
        """
        self._client, self._path, self._report = client, path, report
        self._headers = idempotency_header(idempotency)
        self._length = path.stat().st_size
        self._begun = BegunUpload(client.server, path)
        self._stored, self._stored_s = -1, time.monotonic()

    def submit(self, options: dict[str, str]) -> dict[str, Any]:
        """Sends what is missing of the file, and returns the job that it becomes.

        Raises:
            Problem: also of a gateway that is out of reach at first, or for a few minutes.
            OSError: the file can't be read.
        """
        while True:
            try:
                job = self._attempt(options)
            except Problem as problem:
                self._pause(problem)
            else:
                self._begun.forget()
                return job

    def _pause(self, problem: Problem) -> None:
        """Waits before the next attempt; raises the problem where that is of no use."""
        pause_s = _PAUSE_S if problem.retry_after_s is None else problem.retry_after_s
        refused = isinstance(problem, Conflict) and self._stored == self._length
        passing = problem.status in _PASSING and not refused
        if self._stored < 0 or not passing or pause_s > _MAX_PAUSE_S:
            raise problem
        if time.monotonic() - self._stored_s > _GIVE_UP_S:
            again = "the same command goes on with the upload"
            raise type(problem)(f"{problem.detail}; {again}") from problem
        self._report(f"waiting: {problem.detail}", None)
        time.sleep(pause_s)

    def _attempt(self, options: dict[str, str]) -> dict[str, Any]:
        if self._begun.id is not None:
            try:
                return self._resumed(options)
            except UnknownModel:
                raise
            except NotFound:
                pass  # it expired, or became a job with other options
        self._begun.remember(self._create())
        return self._finished(0, options)

    def _resumed(self, options: dict[str, str]) -> dict[str, Any]:
        """Submits the upload, which may be a job already, or sends the rest of it."""
        with contextlib.suppress(Conflict):
            return self._submitted(options)
        return self._finished(self._offset(), options)

    def _finished(self, offset: int, options: dict[str, str]) -> dict[str, Any]:
        self._note(offset)
        with self._path.open("rb") as file:
            while offset < self._length:
                offset = self._send(file, offset)
                self._note(offset)
        return self._submitted(options)

    def _note(self, offset: int) -> None:
        if offset > self._stored:
            self._stored, self._stored_s = offset, time.monotonic()

    def _create(self) -> str:
        name = b64encode(os.fsencode(self._path.name)).decode()
        headers = {"Upload-Length": str(self._length), "Upload-Metadata": f"filename {name}"}
        return str(self._client.fetch("POST", _PATH, "id", headers=headers)["id"])

    def _offset(self) -> int:
        return int(self._client.fetch("GET", self._location(), "offset")["offset"])

    def _send(self, file: BinaryIO, offset: int) -> int:
        """Sends the next bytes; returns the offset after them."""
        file.seek(offset)
        body = _Chunk(file, min(_CHUNK_BYTES, self._length - offset), self._show)
        headers = {"Upload-Offset": str(offset), "Content-Type": _BODY}
        self._client.request("PATCH", self._location(), data=body, headers=headers)
        return offset + len(body)

    def _submitted(self, options: dict[str, str]) -> dict[str, Any]:
        body = {"upload": self._begun.id}
        return self._client.fetch(
            "POST", "/v1/videos", "id", params=options, json=body, headers=self._headers
        )

    def _location(self) -> str:
        return f"{_PATH}/{quote(str(self._begun.id), safe='')}"

    def _show(self, sent: int) -> None:
        total = self._length / 2**20
        self._report(f"upload: {sent / 2**20:.0f} of {total:.0f} MiB", 100 * sent / self._length)


class _Chunk:
    """The next bytes of a file as a request's body, which requests reads in parts."""

    def __init__(self, file: BinaryIO, length: int, on_read: Callable[[int], None]) -> None:
        """`on_read` is called with the position in the file."""
        self._file, self._length, self._left, self._on_read = file, length, length, on_read

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(2**16):
            yield data

    def read(self, size: int = -1) -> bytes:
        """
        Raises:
            InvalidRequest: the file has become shorter.
        """
        data = self._file.read(min(size, self._left) if size >= 0 else self._left)
        if not data and self._left:
            raise InvalidRequest("the file became shorter while it was sent")
        self._left -= len(data)
        self._on_read(self._file.tell())
        return data
