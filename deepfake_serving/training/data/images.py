"""Image files of training and evaluation, with errors that name the file."""

from __future__ import annotations

import sys
from pathlib import Path

from deepfake_serving.contracts.problems import Problem
from model_handlers.manifest import DecodeSpec
from model_handlers.pipeline.decode import Pixels, decode


def check_folder(path: Path) -> None:
    """
    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not path.is_dir():
        raise NotADirectoryError(f"{path}: no such folder")


def read_image(path: Path) -> Pixels:
    """Decodes a file to uint8 RGB (height, width, 3).

    Raises:
        OSError: it can't be read.
        ValueError: it can't be decoded.
    """
    try:
        return decode(path.read_bytes(), DecodeSpec())
    except Problem as problem:
        raise ValueError(f"{path}: {problem.detail}") from problem


def readable(path: Path) -> Pixels | None:
    """Decodes an image to train on; one that can't be is named on stderr and left out."""
    try:
        return read_image(path)
    except ValueError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None
