"""Segments joined to files of about one length."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from deepfake_serving.gateway.sources.segment import MOST_BYTES, Segment
from deepfake_serving.gateway.storage.spool import write_problem

_MOST_SEGMENTS = 64
_numbers = itertools.count(1)


class Segmenter:
    """Writes segment after segment to one file, until it is cut."""

    def __init__(self, folder: Path, window_s: float) -> None:
        self._folder, self._window_s = folder, window_s
        self._file: BinaryIO | None = None
        self._segments, self._seconds = 0, 0.0
        self._gap: str | None = None

    @property
    def full(self) -> bool:
        size = self._file.tell() if self._file else 0
        return (
            self._seconds >= self._window_s
            or self._segments >= _MOST_SEGMENTS
            or size >= MOST_BYTES
        )

    @contextmanager
    def adding(self, init: bytes, seconds: float) -> Iterator[Callable[[bytes], object]]:
        """Takes one segment, whole or not at all; `init` stands before the first of a file."""
        file = self._file or self._open(init)
        begin = file.tell()
        try:
            yield file.write
        except BaseException:
            file.seek(begin)
            file.truncate()
            raise
        self._segments, self._seconds = self._segments + 1, self._seconds + seconds

    def cut(self, gap: str | None = None) -> list[Segment]:
        """The piece that there is, if any; `gap` is what lies between it and the next."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if file is None or not self._segments:
            self._gap = gap or self._gap
            return []
        piece = Segment(Path(file.name), self._seconds, self._gap)
        self._segments, self._seconds, self._gap = 0, 0.0, gap
        return [piece]

    def _open(self, init: bytes) -> BinaryIO:
        try:
            self._file = new_file(self._folder).open("wb")
            self._file.write(init)
        except OSError as error:
            raise write_problem(error) from error
        return self._file


def new_file(folder: Path) -> Path:
    """A name that no file in the folder has."""
    return folder / f"piece-{next(_numbers)}"
