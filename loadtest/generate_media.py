"""Pictures and videos of 1280 x 720 made of two photographs, each of them different.

    python -m loadtest.generate_media FOLDER

The photographs are in the public domain and bundled with scikit-image: NASA's portrait of Eileen
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
"""Left, top and width of a window of 16:9 in a photograph."""

SIZE = (1280, 720)
PICTURES = 32
BLANK_EVERY = 4
"""One picture in so many shows no face."""
VIDEOS = 4
RATE = 24
FRAMES, HELD = 3 * RATE, 6
"""Of a video, and how many of them are alike."""


def make(folder: Path, seed: int = 0) -> None:
    """Writes all of them, named as `loadtest.media.load` reads them; the same for a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    with_face, without = skimage.data.astronaut(), skimage.data.coffee()
    for n in range(PICTURES):
        faces = int(n % BLANK_EVERY > 0)
        picture = _varied(with_face if faces else without, random)
        Image.fromarray(picture).save(folder / _named(faces, n, "jpg"), quality=90)
    for n in range(VIDEOS):
        _write(folder / _named(1, n, "mp4"), _pan(with_face, random))


def _named(faces: int, n: int, ending: str) -> str:
    return f"{faces}-{SIZE[0]}x{SIZE[1]}-{n:02}.{ending}"


def _varied(photograph: Pixels, random: np.random.Generator) -> Pixels:
    """Another window, perhaps mirrored, another brightness, other noise."""
    window = _window(photograph, _region(random))
    mirrored = window[:, ::-1] if random.random() < 0.5 else window
    noise = random.normal(random.uniform(-25, 25), random.uniform(1, 5), window.shape)
    return np.clip(mirrored + noise, 0, 255).astype(np.uint8)


def _region(random: np.random.Generator) -> Region:
    """A window with the face, which lies in the photograph from (177, 58) to (270, 175)."""
    width = int(random.integers(400, 512))
    return int(random.integers(0, min(120, 512 - width) + 1)), int(random.integers(0, 36)), width


def _window(photograph: Pixels, region: Region) -> Pixels:
    x, y, width = region
    box = (x, y, x + width, y + width * SIZE[1] // SIZE[0])
    return np.asarray(Image.fromarray(photograph).resize(SIZE, Image.Resampling.BICUBIC, box))


def _pan(photograph: Pixels, random: np.random.Generator) -> Iterator[Pixels]:
    """Frames of one shot, whose window moves and grows a little."""
    x, y, width = _region(random)
    for step in range(FRAMES // HELD):
        window = _window(photograph, (x, y + step, min(width + step, 512 - x)))
        yield from itertools.repeat(window, HELD)


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
    make(Path(sys.argv[1]))
