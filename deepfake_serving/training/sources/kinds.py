"""The kinds of folders that can be packed: labelled images, portraits, media with swaps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from deepfake_serving.training.data.landmarks import best_landmark_detector, build_face_detector
from deepfake_serving.training.data.media import read_media
from deepfake_serving.training.data.portraits import read_portraits, split_by_identity
from deepfake_serving.training.data.swaps import read_swaps
from deepfake_serving.training.sources.pack import write_pack
from deepfake_serving.training.sources.packing import (
    FACES,
    pack_folder,
    portrait_examples,
    swap_examples,
)

Kind = Literal["images", "whole", "portraits", "swaps"]


def pack(
    kind: Kind, root: Path, out: Path, cache: Path, held_out: float = 0.0, identity: str = ""
) -> int:
    """Packs the folder `root` into `out` and returns the number of examples.

    `images`: see `listing`. `whole`: the same, with fakes that are generated as whole images.
    `portraits`: see `read_portraits`. `swaps`: real and fake media of the same people, see
    `read_swaps`.

    Args:
        held_out: for portraits, the share of people who are kept for development.
        identity: for portraits, the regular expression that extracts the identity.
    """
    if kind == "portraits":
        portraits = read_portraits(root, best_landmark_detector(), cache / "index", identity)
        training, _ = split_by_identity(portraits, held_out, 0)
        return write_pack(portrait_examples(training), out)
    if kind == "swaps":
        swaps = read_swaps(read_media(root), build_face_detector(), _FRAMES, cache / "swaps")
        return write_pack(swap_examples(swaps), out)
    return pack_folder(root, build_face_detector(FACES), out, kind == "whole")


_FRAMES = 24
"""Frames sampled from a video."""
