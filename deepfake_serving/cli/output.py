"""Printing, shared by all commands: errors, warnings and progress go to stderr."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    track,
)
from rich.text import Text

from deepfake_serving.contracts.reasons import reason_of

T = TypeVar("T")

_UNWRAPPED = 100_000
_LINE_EVERY_S = 60.0
_BREAK = re.compile(r"\s*\n\s*")
errors = Console(stderr=True)


def tables() -> Console:
    """Returns a console for stdout that wraps lines on a terminal only."""
    return Console(width=None if sys.stdout.isatty() else _UNWRAPPED)


def printable(text: str) -> Text:
    """Returns untrusted text without markup, its control characters escaped."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return Text("".join(escaped))


def note(message: str) -> None:
    """Prints a line to stderr."""
    errors.print(Text(message), soft_wrap=True)


def warn_untrained(trained: bool) -> None:
    """Warns about a model without trained weights."""
    if not trained:
        errors.print("[yellow]untrained model: these verdicts are meaningless[/]")


def fail(error: Exception) -> NoReturn:
    """Prints an error, in one line, and exits with 2."""
    line = printable(f"deepfake-serving: {_text(error)}")
    line.stylize("red")
    errors.print(line, soft_wrap=True)
    sys.exit(2)


def _text(error: Exception) -> str:
    """Returns an error's text; an operating system's without its number: `file: No such file`."""
    if isinstance(error, OSError) and error.filename:
        return f"{os.fsdecode(error.filename)}: {reason_of(error)}"
    return _BREAK.sub(" ", reason_of(error))


def exit_now(end: SystemExit) -> NoReturn:
    """Exits; after Ray was used, without destructors, in which it aborts at times.

    Its own workers end so too (https://github.com/ray-project/ray/pull/18899).
    """
    if "ray" in sys.modules and isinstance(end.code, int):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)
    raise end


def tracked(items: Iterable[T], total: int) -> Iterable[T]:
    """Yields the items, with a progress bar on a terminal."""
    if not errors.is_terminal:
        return items
    return track(items, total=total, console=errors, description="analysing", transient=True)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float | None], None]]:
    """Shows progress on a terminal. Yields a function of the stage and its percentage, if known."""
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda stage, percent: progress.update(
            task,
            description=stage,
            completed=percent or 0,
            total=None if percent is None else 100,
        )


def count_chunks(
    files: Iterable[int], total: int, done: int, line_every_s: float = _LINE_EVERY_S
) -> None:
    """Consumes the count of files of each chunk as it is done; shows a bar, rate and time left.

    In a log, which has no bar, it is a line every `line_every_s` seconds at most.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("chunks"), TimeRemainingColumn())
    text = TextColumn("{task.description}")
    started, count = time.monotonic(), 0
    line_at = started + line_every_s
    with Progress(*columns, text, console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task("", total=total, completed=done)
        for chunks, number in enumerate(files, done + 1):
            count += number
            elapsed = time.monotonic() - started
            rate = f"{count} files, {count / elapsed:.1f}/s"
            progress.update(task, advance=1, description=rate)
            if not errors.is_terminal and started + elapsed >= line_at:
                left_s = elapsed / (chunks - done) * (total - chunks)
                left = timedelta(seconds=round(left_s))
                note(f"{chunks} of {total} chunks, {rate}, {left} left")
                line_at = started + elapsed + line_every_s
