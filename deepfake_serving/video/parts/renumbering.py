"""Numbers of shots in names: a part counts its shots from 1, the video counts all."""

from __future__ import annotations

import re
from dataclasses import replace

from deepfake_serving.contracts.video import Shot

_FIRST_NUMBER = re.compile(r"\d+")


def renumbered(name: str, before: int) -> str:
    """Returns the name of an image or a track with the number of its shot in the video.

    Args:
        before: shots before the part.
    """
    return _FIRST_NUMBER.sub(lambda number: str(int(number[0]) + before), name, count=1)


def renumbered_shot(shot: Shot, before: int) -> Shot:
    """Returns a shot of a part with the names that it has in the video."""
    shot = shot.with_images(lambda name: name and renumbered(name, before))
    tracks = [replace(track, id=renumbered(track.id, before)) for track in shot.tracks]
    return replace(shot, tracks=tracks)
