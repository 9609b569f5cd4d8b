"""A streaming reader of multipart/form-data (RFC 7578): files are written as their bytes arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge
from deepfake_serving.gateway.ingest.file_names import display_name, disposition_name
from deepfake_serving.gateway.storage.spool import SpooledFile

FIELD = "file"
"""The name of the form fields that are read; others are refused."""

_MAX_OVERHEAD_BYTES = 2**20
"""Bytes of a form that belong to no file: headers, preamble and epilogue."""


class FormReader:
    """Parses a form that is passed to `write` in chunks of any size."""

    def __init__(
        self, content_type: str, create: Callable[[str | None], SpooledFile], max_files: int
    ) -> None:
        """
        Args:
            create: opens a file with this display name.

        Raises:
            InvalidRequest: the content type has no boundary.
        """
        _, options = parse_options_header(content_type)
        if not options.get(b"boundary"):
            raise InvalidRequest("multipart/form-data needs a boundary")
        self.files: list[SpooledFile] = []
        self._create, self._max_files = create, max_files
        self._ended, self._overhead = False, 0
        callbacks: Any = {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be parsed: {error}") from error

    def write(self, data: bytes) -> None:
        """Parses the next chunk.

        Raises:
            InvalidRequest, TooLarge, StorageFull
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"the form can't be parsed: {error}") from error
        self._overhead += len(data)
        if self._overhead > _MAX_OVERHEAD_BYTES:
            raise TooLarge(f"the form has more than {_MAX_OVERHEAD_BYTES} bytes besides its files")

    def finish(self) -> list[SpooledFile]:
        """Returns the files, at least one.

        Raises:
            InvalidRequest: the form is incomplete, or has no file.
        """
        if not self._ended:
            raise InvalidRequest("the form breaks off before its end")
        if not self.files:
            raise InvalidRequest(f"the form has no file in a field named {FIELD!r}")
        return self.files

    def _on_part_begin(self) -> None:
        self._name, self._value, self._disposition = b"", b"", b""
        self._file: SpooledFile | None = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode(errors="replace")
        if field != FIELD:
            raise InvalidRequest(
                f"the form has a field {field[:80]!r}: media go into {FIELD!r}, "
                "and options into the query of the URL"
            )
        if len(self.files) >= self._max_files:
            raise too_many_media("files in the form", self._max_files)
        self._file = self._create(display_name(disposition_name(self._disposition)))
        self.files.append(self._file)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            self._overhead -= end - start

    def _on_end(self) -> None:
        self._ended = True


def too_many_media(media: str, limit: int) -> Problem:
    """Returns the problem of a request with more media than it may have.

    Args:
        media: their name in the message.
    """
    if limit == 1:
        return InvalidRequest(f"there are several {media}; this operation takes one")
    return TooLarge(f"there are more {media} than the limit of {limit}")
