"""multipart/form-data (RFC 7578), read as it arrives: files go to where they are kept, piece by
piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deepfake_serving.contracts.problems import InvalidRequest, TooLarge
from deepfake_serving.gateway.storage.spool import Part

FIELD = "file"
"""The name of the fields that are files."""

_LONGEST_NAME = 200
_MOST_PARTS = 5_000
_MOST_BESIDES = 2**20
"""Bytes of a form that are no file's: headers, other fields, what stands before and after."""


class Form:
    """Parses a form. `write` takes pieces; `files` holds what has come."""

    def __init__(self, content_type: str, new: Callable[[str | None], Part], most: int) -> None:
        """`new` makes a place for a file of that name; `most` is how many there may be.

        Raises:
            InvalidRequest: there is no boundary.
        """
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise InvalidRequest("multipart/form-data needs a boundary")
        self.files: list[Part] = []
        self._new, self._most, self._parts = new, most, 0
        self._ended, self._besides = False, 0
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be read: {error}") from error

    def write(self, data: bytes) -> None:
        """Raises `InvalidRequest` or `TooLarge`."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be read: {error}") from error
        self._besides += len(data)
        if self._besides > _MOST_BESIDES:
            raise TooLarge(f"the form has more than {_MOST_BESIDES} bytes beside its files")

    def finish(self) -> list[Part]:
        """The files.

        Raises:
            InvalidRequest: the form has no end, or no file.
        """
        if not self._ended:
            raise InvalidRequest("the form breaks off before its end")
        if not self.files:
            raise InvalidRequest(f"the form holds no file in a field named {FIELD!r}")
        return self.files

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise TooLarge(f"the form has more than {_MOST_PARTS} parts")
        self._name, self._value, self._disposition = b"", b"", b""
        self._part: Part | None = None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") != FIELD.encode():
            return
        if len(self.files) >= self._most:
            raise TooLarge(f"the form holds more files than the bound of {self._most}")
        self._part = self._new(shown_name(options.get(b"filename", b"").decode(errors="replace")))
        self.files.append(self._part)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None:
            self._part.write(data[start:end])
            self._besides -= end - start

    def _end(self) -> None:
        self._ended = True


def shown_name(name: str) -> str | None:
    """A file's name as it may be shown: its last part, printable, of bounded length."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(c for c in last if c.isprintable()).strip()
    return clean[:_LONGEST_NAME] or None
