"""Errors of the command line: one line for those of inputs, a traceback for those of the code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

full = False
"""Whether a traceback is shown for every error."""


@contextmanager
def errors() -> Iterator[None]:
    """Prints an error of an input, such as a missing file, and exits with status 2."""
    try:
        yield
    except Exception as error:
        if full or not isinstance(error, _of_inputs()):
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _of_inputs() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    from deepfake_serving.contracts.problems import Problem

    return OSError, ValueError, Problem, SafetensorError
