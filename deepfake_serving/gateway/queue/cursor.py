"""Cursors of lists of jobs: the creation time and the id of the last job of a page."""

from __future__ import annotations

import re

from deepfake_serving.contracts.jobs import Job
from deepfake_serving.contracts.problems import InvalidCursor

_CURSOR = re.compile(r"([0-9]{1,12}\.[0-9]{1,17}):([\w-]{1,64})")


def cursor_after(job: Job) -> str:
    """Returns the cursor of the page after a job."""
    return f"{job.created_at!r}:{job.id}"


def parse_cursor(cursor: str | None) -> tuple[float, str] | None:
    """
    Raises:
        InvalidCursor: it is not one that a list had.
    """
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidCursor("the cursor is not one that a list of jobs returned")
    return float(match[1]), match[2]
