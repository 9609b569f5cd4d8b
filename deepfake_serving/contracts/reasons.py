"""Why a file can't be used, as part of an error that names the file itself."""

from __future__ import annotations

from pydantic import ValidationError


def reason_of(error: Exception) -> str:
    """Returns the text of an error; of one of the operating system, without number and path.

    Fields of a model are named by their paths: `members.0.weight: Input should be …`.
    """
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)
