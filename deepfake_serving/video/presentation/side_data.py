"""Side data of a decoded frame, as far as its presentation depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame

_KINDS = frozenset(
    {
        Type.DISPLAYMATRIX,
        Type.MASTERING_DISPLAY_METADATA,
        Type.CONTENT_LIGHT_LEVEL,
        Type.DOVI_METADATA,
    }
)


def side_data(image: VideoFrame) -> dict[Type, bytes]:
    """Returns FFmpeg's structures by kind.

    `image.side_data` refers to the frame and is kept by it. Such a cycle keeps the pixels, 25 MB of
    a frame of 4K, until the garbage collector runs.
    """
    new: Any = SideDataContainer  # typed as abstract
    entries: Iterable[Any] = new(image)
    return {entry.type: bytes(entry) for entry in entries if entry.type in _KINDS}
