"""JPEGs that end too early, read as viewers read them: as far as they go."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from model_handlers.images.jpeg.scans import coefficient_shares, read_scans
from model_handlers.images.jpeg.segments import segments
from model_handlers.images.time_limit import LimitedFile

_END = b"\xff\xd9"


class PartRead(NamedTuple):
    """The share of an image that was read, 0 to 1, and words for it."""

    share: float
    description: str


def closed(data: bytes) -> bytes:
    """Returns a JPEG that was cut short with an end: its last segment is dropped if incomplete."""
    return data[: max((segment.end for segment in segments(data)), default=2)] + _END


def part_read(data: bytes, pixels: npt.NDArray[Any], max_seconds: float) -> PartRead:
    """Measures what was read of a JPEG that was cut short.

    Where one scan holds everything, lines are counted. Otherwise all lines are there early, and
    the coefficients are counted.

    Args:
        data: as `closed` returns it.
        pixels: its pixels, (h, w) or (h, w, n), as stored.
        max_seconds: the limit of decoding once more.
    """
    jpeg = read_scans(data)
    if jpeg.are_one or not jpeg.scans:
        share = share_read(pixels)
        return PartRead(share, f"{_percent(share)} of its lines were read")
    without = _decoded(data[: jpeg.scans[-1].data_start] + _END, max_seconds)
    shares = coefficient_shares(jpeg, _share_changed(pixels, without))
    return PartRead(
        shares.read,
        f"{_percent(shares.read)} of its coefficients were read, "
        f"{_percent(shares.precise)} in full precision",
    )


def share_read(pixels: npt.NDArray[Any]) -> float:
    """Returns the share of lines, 0 to 1, above those that repeat one colour to the end.

    A decoder continues with the last colour where data are missing.

    Args:
        pixels: (h, w) or (h, w, n), as stored.
    """
    rows = pixels.reshape(len(pixels), -1)
    same = (rows == rows[-1]).all(axis=1)
    if not (pixels[-1] == pixels[-1, :1]).all():
        return 1.0
    read = len(rows) - int(np.argmin(same[::-1])) if not same.all() else 0
    return read / len(rows)


def _percent(share: float) -> str:
    """Rounds down, so that 100% is all."""
    return f"{int(100 * share + 1e-6)}%"


def _share_changed(pixels: npt.NDArray[Any], before: npt.NDArray[Any]) -> float:
    """Returns the share of lines down to the last that differs."""
    changed = np.flatnonzero((pixels != before).reshape(len(pixels), -1).any(axis=1))
    return (int(changed[-1]) + 1) / len(pixels) if len(changed) else 0.0


def _decoded(data: bytes, max_seconds: float) -> npt.NDArray[Any]:
    with Image.open(LimitedFile(data, max_seconds), formats=("JPEG",)) as image:
        return np.asarray(image)
