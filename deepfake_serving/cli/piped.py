"""Files that come through a pipe, such as stdin."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from deepfake_serving.contracts.problems import InvalidRequest
from deepfake_serving.runtime.scratch.workspaces import tidy_workspace

_STDIN = Path("/dev/stdin")
_COPIES = "deepfake-piped-"
"""Prefix of the folders that hold what came through a pipe."""


def input_path(given: Path) -> Path:
    """Returns the path of a file that a command was given; `-` is stdin.

    Raises:
        InvalidRequest: it is a URL.
    """
    if given.parts[:1] in (("http:",), ("https:",)):
        raise InvalidRequest(
            "URLs are not fetched here: download the file, or give a video's URL to "
            "`deepfake-serving submit`"
        )
    return _STDIN if given == Path("-") else given


@contextlib.contextmanager
def seekable(path: Path) -> Iterator[Path]:
    """Yields the path, or that of a copy of what comes through a pipe.

    A video's index is often at its end, so it has to be read in any order.

    Raises:
        OSError: the pipe can't be read, or its content can't be stored.
    """
    if not path.is_fifo():
        yield path
        return
    with tidy_workspace(_COPIES) as folder, path.open("rb") as pipe:
        copy = folder / "video"
        with copy.open("wb") as stored:
            shutil.copyfileobj(pipe, stored)
        yield copy
