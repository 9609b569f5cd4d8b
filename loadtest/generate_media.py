"""Generates distinct images and videos of 1280 x 720 from two photos.

    python -m loadtest.generate_media FOLDER

The photos are in the public domain and bundled with scikit-image: NASA's portrait of Eileen
Collins, with one face, and a cup of coffee, with none.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import skimage.data
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Region = tuple[int, int, int]
"""Left, top and width of a 16:9 window in a photo."""

SIZE = (1280, 720)
IMAGES = 32
BLANK_EVERY = 4
"""Every fourth image shows no face."""
VIDEOS = 4
RATE = 24
FRAMES, REPEATED = 3 * RATE, 6
"""Frames of a video, and how often each is repeated."""


def generate(folder: Path, seed: int = 0) -> None:
    """Writes the files, named as `loadtest.media.load` expects. Deterministic for a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    with_face, without = skimage.data.astronaut(), skimage.data.coffee()
    for n in range(IMAGES):
        faces = int(n % BLANK_EVERY > 0)
        image = _augment(with_face if faces else without, random)
        Image.fromarray(image).save(folder / _file_name(faces, n, "jpg"), quality=90)
    for n in range(VIDEOS):
        _write(folder / _file_name(1, n, "mp4"), _pan(with_face, random))


def _file_name(faces: int, n: int, ending: str) -> str:
    return f"{faces}-{SIZE[0]}x{SIZE[1]}-{n:02}.{ending}"


def _augment(portrait: Pixels, random: np.random.Generator) -> Pixels:
    """Returns a random window, randomly mirrored, with random brightness and noise."""
    window = _window(portrait, _region(random))
    mirrored = window[:, ::-1] if random.random() < 0.5 else window
    noise = random.normal(random.uniform(-25, 25), random.uniform(1, 5), window.shape)
    return np.clip(mirrored + noise, 0, 255).astype(np.uint8)


def _region(random: np.random.Generator) -> Region:
    """Returns a window that contains the face, from (177, 58) to (270, 175) in the photo."""
    width = int(random.integers(400, 512))
    return int(random.integers(0, min(120, 512 - width) + 1)), int(random.integers(0, 36)), width


def _window(portrait: Pixels, region: Region) -> Pixels:
    x, y, width = region
    box = (x, y, x + width, y + width * SIZE[1] // SIZE[0])
    return np.asarray(Image.fromarray(portrait).resize(SIZE, Image.Resampling.BICUBIC, box))


def _pan(portrait: Pixels, random: np.random.Generator) -> Iterator[Pixels]:
    """Yields the frames of one shot, whose window moves and grows slightly."""
    x, y, width = _region(random)
    for step in range(FRAMES // REPEATED):
        window = _window(portrait, (x, y + step, min(width + step, 512 - x)))
        yield from itertools.repeat(window, REPEATED)


def _write(path: Path, frames: Iterable[Pixels]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
