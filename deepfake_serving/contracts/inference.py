"""The number of images of an inference request, which a model server says beside its response."""

from __future__ import annotations

from collections.abc import Iterable

IMAGES_HEADER = "Deepfake-Images"
"""A header of responses by REST, and trailing metadata over gRPC, in lower case there."""


def images_of(headers: Iterable[tuple[str, object]]) -> int:
    """Returns the number of images of a request, from the headers of its response.

    1 where they do not say it, as those of problems and of models that are not this project's.
    """
    for name, value in headers:
        if name.lower() == IMAGES_HEADER.lower() and isinstance(value, str) and value.isdecimal():
            return int(value)
    return 1
