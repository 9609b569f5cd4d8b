"""Joins HLS media segments to files of about one duration."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from deepfake_serving.gateway.sources.segment import MAX_SEGMENT_BYTES, Segment
from deepfake_serving.gateway.storage.spool import write_problem

_MAX_PARTS = 64
_numbers = itertools.count(1)


class Segmenter:
    """Appends media segments to one file, until the file is finished."""

    def __init__(self, folder: Path, window_s: float) -> None:
        self._folder, self._window_s = folder, window_s
        self._file: BinaryIO | None = None
        self._parts, self._seconds = 0, 0.0
        self._gap: str | None = None

    @property
    def full(self) -> bool:
        """Whether the file has reached its duration or its size limit."""
        size = self._file.tell() if self._file else 0
        return (
            self._seconds >= self._window_s
            or self._parts >= _MAX_PARTS
            or size >= MAX_SEGMENT_BYTES
        )

    @contextmanager
    def appending(self, init: bytes, seconds: float) -> Iterator[Callable[[bytes], object]]:
        """Appends one media segment, completely or not at all.

        `init` is written at the start of a file.
        """
        file = self._file or self._open(init)
        start = file.tell()
        try:
            yield file.write
        except BaseException:
            file.seek(start)
            file.truncate()
            raise
        self._parts, self._seconds = self._parts + 1, self._seconds + seconds

    def finish(self, gap: str | None = None) -> list[Segment]:
        """Finishes the file and returns its segment, if any; `gap` precedes the next one."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if file is None or not self._parts:
            self._gap = gap or self._gap
            return []
        segment = Segment(Path(file.name), self._seconds, self._gap)
        self._parts, self._seconds, self._gap = 0, 0.0, gap
        return [segment]

    def _open(self, init: bytes) -> BinaryIO:
        try:
            self._file = new_file(self._folder).open("wb")
            self._file.write(init)
        except OSError as error:
            raise write_problem(error) from error
        return self._file


def new_file(folder: Path) -> Path:
    """Returns a path that no file in the folder has."""
    return folder / f"segment-{next(_numbers)}"
