"""A reader of one video that decodes in a process of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Generator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from deepfake_serving.contracts.problems import Internal, Problem, UndecodableMedia, from_dict
from deepfake_serving.video.decoding.container import Cancelled
from deepfake_serving.video.isolation.messages import (
    NO,
    YES,
    VideoSummary,
    receive_batch,
    receive_header,
)
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.reader import Batch, GoesOn, stops

_CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
)
_INHERITED = re.compile(r"(PYTHON|LD_|DYLD_|LC_|MALLOC_|GLIBC_)\w*|HOME|LANG|TMPDIR|TZ")
"""Variables by which Python starts and finds libraries. Others may be secrets, which a video that
takes over its decoder must not find."""
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": os.devnull}
"""Threads of libraries that are not needed here, whose stacks would count as memory, and programs:
PySceneDetect starts `ffmpeg` when it is imported, which costs a fifth of the start."""


class DecodeProcess:
    """A `Reader` whose video cannot harm this process, whatever decoding it takes or breaks."""

    def __init__(
        self,
        path: Path,
        options: VideoOptions,
        part: Part | None = None,
        goes_on: GoesOn = stops,
    ) -> None:
        """Reads the whole video, or a part of it, as `VideoReader` does."""
        self._path, self._options, self._part = path, options, part
        self._goes_on = goes_on
        self._lock, self._stopped = threading.Lock(), False
        self._process: subprocess.Popen[bytes] | None = None
        self.video = VideoSummary()
        self.size: tuple[int, int] | None = None
        self.seconds: dict[str, float] = defaultdict(float)

    def stop(self) -> None:
        """Kills the process, whatever it does. Any thread may call it."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def batches(self) -> Generator[Batch, None, None]:
        """Reads the video.

        Raises:
            Problem: the file cannot be read, or not within the memory limit, or crashes the
                decoder.
            Cancelled: `stop` was called.
        """
        receiving, sending = os.pipe()
        with Connection(receiving, writable=False) as connection:
            try:
                process = self._start(sending)
            finally:
                os.close(sending)
            try:
                yield from self._receive(connection, process)
            finally:
                process.kill()
                process.wait()
                _close(process)

    def _start(self, descriptor: int) -> subprocess.Popen[bytes]:
        module = "deepfake_serving.video.isolation.child"
        with self._lock:
            if self._stopped:
                raise Cancelled
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", module, str(descriptor)],
                stdin=subprocess.PIPE,
                pass_fds=(descriptor,),
                env=_inherited() | _ENVIRONMENT,
                start_new_session=True,  # a terminal's signals are for the worker, which drains
            )
        _write(process, pickle.dumps((self._path, self._options, self._part)))
        return process

    def _receive(
        self, connection: Connection, process: subprocess.Popen[bytes]
    ) -> Generator[Batch, None, None]:
        while True:
            try:
                header = receive_header(connection)
                if "goes_on" in header:
                    reply = YES if self._goes_on(int(header["goes_on"])) else NO
                    _write(process, reply)
                    continue
                batch = receive_batch(connection, header) if "events" in header else None
            except (EOFError, OSError, ValueError, LookupError, TypeError) as error:
                process.kill()
                raise self._death(process.wait()) from error
            if batch is None:
                self._end(header)
                return
            self._update(header["state"])
            yield batch
            del batch

    def _update(self, state: dict[str, Any]) -> None:
        self.video = VideoSummary(**state["video"])
        self.size = tuple(state["size"]) if state["size"] else None
        self.seconds |= state["seconds"]

    def _end(self, header: dict[str, Any]) -> None:
        if "problem" in header:
            raise from_dict(header["problem"])
        if "defect" in header:
            raise RuntimeError(f"the decoding process failed: {header['defect']}")

    def _death(self, code: int) -> Problem | Cancelled:
        """Returns the error of a process that ended without its last message."""
        if self._stopped:
            return Cancelled()
        if code < 0 and -code in _CRASHES:
            return UndecodableMedia(f"the video crashes its decoder ({signal.Signals(-code).name})")
        return Internal(f"the decoding process ended with {code}")


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Writes to a process; that one has ended is seen when its next message is received."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(data)
        process.stdin.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
