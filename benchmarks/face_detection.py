"""Whether our face detector loses faces that facenet-pytorch's defaults find, or invents more.

    python -m benchmarks.face_detection [--portraits faces.csv] [--clips FOLDER]

Without material of the caller's, scenes made of one portrait alone are searched. Faces whose longer
side is under 40 px in the picture are left out on both sides: ours isn't asked for them.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.data.scenes import Boxes, Portrait, astronaut, scenes
from model_handlers.pipeline.decode import Pixels

Find = Callable[[Pixels], Boxes]
"""A picture to boxes (n, 4) in its pixels."""

LEAST = 40.0
_OVERLAP = 0.5


@dataclass(slots=True)
class Counts:
    """Faces over some pictures."""

    pictures: int = 0
    known: int = 0
    """Faces that are there, where it is known; 0 elsewhere."""
    theirs: int = 0
    ours: int = 0
    """Found by either; only faces that are there, where it is known."""
    shared: int = 0
    """Theirs that ours found, too."""
    false_theirs: int = 0
    """Found where, as is known, no face is."""
    false_ours: int = 0

    @property
    def kept(self) -> float:
        """The share of their faces that ours found."""
        return self.shared / self.theirs if self.theirs else 1.0

    @property
    def only_ours(self) -> int:
        return self.ours - self.shared

    @property
    def only_theirs(self) -> int:
        return self.theirs - self.shared


def compare(pictures: Iterator[tuple[Pixels, Boxes | None]], theirs: Find, ours: Find) -> Counts:
    """Both over the same pictures; boxes given with one are those of all its faces."""
    counts = Counts()
    for picture, known in pictures:
        a, b = (_counted(find(picture), picture) for find in (theirs, ours))
        counts.pictures += 1
        if known is not None:
            counts.known += len(known)
            counts.false_theirs += len(a) - matches(known, a)
            counts.false_ours += len(b) - matches(known, b)
            a, b = a[_right(a, known)], b[_right(b, known)]
        counts.theirs += len(a)
        counts.ours += len(b)
        counts.shared += matches(a, b)
    return counts


def matches(a: Boxes, b: Boxes) -> int:
    """How many of `a` have a box of `b` of their own at an overlap of a half and more."""
    overlap = ious(a, b)
    count = 0
    while overlap.size and overlap.max() >= _OVERLAP:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[row], overlap[:, column] = 0, 0
        count += 1
    return count


def ious(a: Boxes, b: Boxes) -> Boxes:
    """(n, 4), (m, 4) → (n, m) intersections over unions."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    whole = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(shared / np.maximum(whole, 1e-9))


def _right(boxes: Boxes, known: Boxes) -> npt.NDArray[np.bool_]:
    return np.asarray(ious(boxes, known).max(axis=1, initial=0) >= _OVERLAP)


def _counted(boxes: Boxes, picture: Pixels) -> Boxes:
    """Boxes as far as they lie in the picture, those of faces that are large enough."""
    height, width = picture.shape[:2]
    inside = np.clip(boxes.reshape(-1, 4), 0, [width, height, width, height])
    sides = np.max(inside[:, 2:] - inside[:, :2], axis=1, initial=0)
    return inside[sides >= LEAST]


def finders() -> tuple[Find, Find]:
    """facenet-pytorch's MTCNN as it comes, and ours as it is served."""
    from facenet_pytorch import MTCNN
    from PIL import Image

    from benchmarks.systems.in_process import shipped

    yardstick, task = MTCNN(keep_all=True), shipped("detector")

    def theirs(picture: Pixels) -> Boxes:
        boxes, _ = yardstick.detect(Image.fromarray(picture))
        return np.zeros((0, 4)) if boxes is None else np.asarray(boxes, np.float64)

    def ours(picture: Pixels) -> Boxes:
        found = task.face_detector.detect([picture])[0]
        return np.array([face.box for face in found], np.float64).reshape(-1, 4)

    return theirs, ours


def read_portraits(table: Path) -> list[Portrait]:
    """The pictures of a CSV with `file` and `box_x`, `box_y`, `box_w`, `box_h`, beside it."""
    found = []
    with table.open(newline="") as stream:
        for row in csv.DictReader(stream):
            picture = cv2.imread(str(table.parent / row["file"]), cv2.IMREAD_COLOR_RGB)
            if picture is None:
                continue
            x, y, w, h = (float(row[f"box_{name}"]) for name in "xywh")
            found.append(Portrait(picture.astype(np.uint8), (x, y, x + w, y + h)))
    return found


def clip_frames(folder: Path, each: int) -> Iterator[Pixels]:
    """Frames evenly through every clip of a folder."""
    import av

    for path in sorted(folder.rglob("*.mp4")):
        with av.open(str(path)) as clip:
            step = max(1, clip.streams.video[0].frames // each)
            chosen = itertools.islice(clip.decode(video=0), step // 2, None, step)
            for frame in itertools.islice(chosen, each):
                yield frame.to_ndarray(format="rgb24")


def material(
    portraits: Sequence[Portrait], clips: Path | None, each: int, count: int
) -> Iterator[tuple[str, Iterator[tuple[Pixels, Boxes | None]]]]:
    """What is searched, by name."""
    if clips is not None:
        yield "clips", ((frame, None) for frame in clip_frames(clips, each))
    if len(portraits) > 1:
        yield "portraits", ((portrait.pixels, None) for portrait in portraits)
    made = scenes(portraits, count)
    yield "scenes", ((scene.pixels, scene.boxes) for scene in made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--frames", type=int, default=4, help="of each clip")
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--every", type=int, default=4, help="portrait is searched")
    given = parser.parse_args()
    portraits = read_portraits(given.portraits)[:: given.every] if given.portraits else []
    theirs, ours = finders()
    found = {}
    for name, pictures in material(
        portraits or [astronaut()], given.clips, given.frames, given.scenes
    ):
        counts = compare(pictures, theirs, ours)
        found[name] = asdict(counts) | {"kept": round(counts.kept, 4)}
        print(name, json.dumps(found[name]), flush=True)
    out = Path("build/bench/finding.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
