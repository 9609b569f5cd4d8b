"""Exceptions that were handled, or are kept as results, without their tracebacks."""

from __future__ import annotations


def forget_traceback(error: BaseException | None) -> None:
    """Drops the tracebacks of an exception that was handled, and of those that led to it.

    A frame refers to the exception, or to what keeps it, and the exception's traceback to the
    frame. Its other local variables, such as a body or an image, would stay until the garbage
    collector runs.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
