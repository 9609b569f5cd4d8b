"""Errors of converting pixels, which are the media's as those of decoding are."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import av

from deepfake_serving.contracts.problems import UnsupportedMediaType


@contextlib.contextmanager
def conversion_errors() -> Iterator[None]:
    """Raises `UnsupportedMediaType` for errors of FFmpeg, except for a lack of memory."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise
        raise UnsupportedMediaType(
            f"the video's pixels cannot be converted: {error.strerror}"
        ) from error
