"""Logs: one JSON line an event for machines, aligned and coloured for people."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from typing import Any, TextIO, cast

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from deepfake_serving.runtime.settings import ServerSettings


def configure_logs(settings: ServerSettings) -> None:
    """Configures structlog and the standard library's warnings to log to standard error."""
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    level = getattr(logging, settings.log_level.upper())
    shared_processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
    ]
    written: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(pad_event_to=20)
        if console
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    others = logging.StreamHandler(sys.stderr)
    others.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, written],
        )
    )
    others.addFilter(_is_not_by_a_client)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[others])
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared_processors, written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Writes a line at once: print writes its end apart, between lines of other processes.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )


def _is_not_by_a_client(record: logging.LogRecord) -> bool:
    """aiohttp and gRPC log as errors what any client can do: malformed requests, and to gRPC a
    client that leaves while a response is sent to it.

    gRPC quotes metadata that is not UTF-8: its line may hold an API key.
    """
    error = record.exc_info[1] if record.exc_info else None
    if record.name.startswith("grpc."):
        # ExecuteBatchError has no public name, and its public base is raised for faults too
        return type(error).__name__ not in ("UnicodeDecodeError", "ExecuteBatchError")
    return not isinstance(error, web.RequestPayloadError | HttpProcessingError)


class _Lossy:
    """A stream that loses what can't be written: a shutdown must not fail because the terminal that
    it would be logged on is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _json(event: Any, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # text from a client that is not Unicode
        return json.dumps(event, default=str)
