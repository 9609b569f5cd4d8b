"""Logs: one JSON line an event for machines, aligned and coloured for people."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

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
    others.addFilter(_is_not_malformed_http)
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[others])
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*shared_processors, written],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _is_not_malformed_http(record: logging.LogRecord) -> bool:
    """aiohttp logs malformed HTTP, which any client can send, as errors with their traceback."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, web.RequestPayloadError | HttpProcessingError)


def _json(event: Any, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # text from a client that is not Unicode
        return json.dumps(event, default=str)
