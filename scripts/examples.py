"""Makes the examples of the console: a portrait, and the same with its face swapped.

`python -m scripts.examples [FOLDER]`. The portrait is NASA's of Eileen Collins, in the public
domain, as scikit-image ships it. Her face is swapped for its mirror image, which is warped, matched
in colour and blended as face swaps do it, so that nobody else's is needed. The pixels are the same
each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from deepfake_serving.assets import PACKAGE
from deepfake_serving.training.data.blending import cross_blend
from deepfake_serving.training.data.portraits import Portrait

EXAMPLES = PACKAGE / "gateway" / "console" / "examples"
_BOX = (179.6, 60.5, 269.1, 174.7)
_POINTS = ((204.2, 101.1), (247.6, 104.2), (224.5, 130.0), (201.6, 139.7), (245.2, 143.2))
"""The face, as MTCNN finds it."""
_MIRRORED = (1, 0, 2, 4, 3)
"""The order of the landmarks in a mirror: left and right eyes and mouth corners change places."""
_SEED = 10
_QUALITY = 90


def write_examples(folder: Path) -> None:
    """Writes `portrait.jpg` and `swapped.jpg`, 512 x 512 pixels each."""
    real = skimage.data.astronaut()
    right = real.shape[1] - 1
    points = np.array(_POINTS, np.float32)
    mirrored = points[list(_MIRRORED)] * (-1, 1) + (right, 0)
    x1, y1, x2, y2 = _BOX
    portrait = Portrait(folder / "portrait.jpg", "", "", _BOX, points)
    donor = Portrait(folder, "", "", (right - x2, y1, right - x1, y2), mirrored.astype(np.float32))
    mirror = np.ascontiguousarray(real[:, ::-1])
    swapped = cross_blend(real, portrait, mirror, donor, np.random.default_rng(_SEED)).fake
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in (("portrait.jpg", real), ("swapped.jpg", swapped)):
        Image.fromarray(pixels).save(folder / name, quality=_QUALITY)


if __name__ == "__main__":
    write_examples(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
