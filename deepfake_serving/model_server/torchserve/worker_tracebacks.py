"""Tracebacks among the lines of workers, which TorchServe passes on one by one."""

from __future__ import annotations

from collections.abc import Callable

from model_handlers.wire import OF_REQUESTS

_BEGIN = "Traceback (most recent call last):"
_MAX_LINES = 200


class WorkerTracebacks:
    """Puts the lines of a traceback together again, with the line before it."""

    def __init__(self, on_traceback: Callable[[str, list[str]], object]) -> None:
        """`on_traceback` is called with the text of each, and the ids of its requests."""
        self._on_traceback = on_traceback
        self._lines: list[str] = []
        self._before = ""

    def add(self, line: str) -> None:
        """Takes the next line. The first one without an indent ends a traceback."""
        if line == _BEGIN:
            self._lines = [self._before, line] if self._before else [line]
        elif self._lines:
            self._lines.append(line)
            if (line and not line.startswith(" ")) or len(self._lines) >= _MAX_LINES:
                _, _, ids = self._lines[0].partition(OF_REQUESTS)
                self._on_traceback("\n".join(self._lines), ids.split())
                self._lines = []
        self._before = line
