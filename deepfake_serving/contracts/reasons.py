"""Why a file can't be used, as part of an error that names the file itself."""

from __future__ import annotations


def reason_of(error: Exception) -> str:
    """Returns the text of an error; of one of the operating system, without number and path."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)
