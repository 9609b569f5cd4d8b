"""Compares our face detector with facenet-pytorch's defaults: faces lost and false detections.

    python -m benchmarks.face_detection [--portraits faces.csv] [--clips FOLDER]

Without arguments, only scenes generated from one portrait are searched. Faces whose longer side is
under 40 px are ignored for both detectors, because ours does not search for them.
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
"""Maps an image to face boxes (n, 4) in pixels."""

MIN_FACE_PX = 40.0
_MIN_IOU = 0.5


@dataclass(slots=True)
class Counts:
    """Numbers of detected faces in a dataset."""

    images: int = 0
    known: int = 0
    """Faces in the ground truth; 0 without ground truth."""
    reference: int = 0
    ours: int = 0
    """Detections of each detector; with ground truth, only true ones."""
    shared: int = 0
    """Faces of facenet-pytorch that our detector finds as well."""
    false_reference: int = 0
    """Detections that match no face in the ground truth."""
    false_ours: int = 0

    @property
    def kept(self) -> float:
        """Share of facenet-pytorch's faces that our detector finds."""
        return self.shared / self.reference if self.reference else 1.0


def compare(images: Iterator[tuple[Pixels, Boxes | None]], reference: Find, ours: Find) -> Counts:
    """Counts both over the same images, each with its ground-truth boxes or None."""
    counts = Counts()
    for image, known in images:
        a, b = (_clip_and_filter(find(image), image) for find in (reference, ours))
        counts.images += 1
        if known is not None:
            counts.known += len(known)
            counts.false_reference += len(a) - matches(known, a)
            counts.false_ours += len(b) - matches(known, b)
            a, b = a[_matching(a, known)], b[_matching(b, known)]
        counts.reference += len(a)
        counts.ours += len(b)
        counts.shared += matches(a, b)
    return counts


def matches(a: Boxes, b: Boxes) -> int:
    """Counts one-to-one matches of `a` and `b` with an IoU of at least 0.5 (greedy)."""
    overlap = ious(a, b)
    count = 0
    while overlap.size and overlap.max() >= _MIN_IOU:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[row], overlap[:, column] = 0, 0
        count += 1
    return count


def ious(a: Boxes, b: Boxes) -> Boxes:
    """Returns IoUs: (n, 4), (m, 4) → (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def _matching(boxes: Boxes, known: Boxes) -> npt.NDArray[np.bool_]:
    return np.asarray(ious(boxes, known).max(axis=1, initial=0) >= _MIN_IOU)


def _clip_and_filter(boxes: Boxes, image: Pixels) -> Boxes:
    """Clips boxes to the image and drops those of faces that are too small."""
    height, width = image.shape[:2]
    inside = np.clip(boxes.reshape(-1, 4), 0, [width, height, width, height])
    sides = np.max(inside[:, 2:] - inside[:, :2], axis=1, initial=0)
    return np.asarray(inside[sides >= MIN_FACE_PX])


def finders() -> tuple[Find, Find]:
    """Returns facenet-pytorch's MTCNN with its defaults, and our shipped detector."""
    from facenet_pytorch import MTCNN
    from PIL import Image

    from benchmarks.systems.in_process import shipped

    facenet_mtcnn, task = MTCNN(keep_all=True), shipped("detector")

    def reference(image: Pixels) -> Boxes:
        boxes, _ = facenet_mtcnn.detect(Image.fromarray(image))
        return np.zeros((0, 4)) if boxes is None else np.asarray(boxes, np.float64)

    def ours(image: Pixels) -> Boxes:
        results = task.face_detector.detect([image])[0]
        return np.array([face.box for face in results], np.float64).reshape(-1, 4)

    return reference, ours


def read_portraits(table: Path) -> list[Portrait]:
    """Reads a CSV with `file`, `box_x`, `box_y`, `box_w`, `box_h`, and the images beside it."""
    results = []
    with table.open(newline="") as stream:
        for row in csv.DictReader(stream):
            image = cv2.imread(str(table.parent / row["file"]), cv2.IMREAD_COLOR_RGB)
            if image is None:
                continue
            x, y, w, h = (float(row[f"box_{name}"]) for name in "xywh")
            results.append(Portrait(image.astype(np.uint8), (x, y, x + w, y + h)))
    return results


def clip_frames(folder: Path, per_clip: int) -> Iterator[Pixels]:
    """Yields frames, evenly spaced, of every clip in a folder."""
    import av

    for path in sorted(folder.rglob("*.mp4")):
        with av.open(str(path)) as clip:
            step = max(1, clip.streams.video[0].frames // per_clip)
            chosen = itertools.islice(clip.decode(video=0), step // 2, None, step)
            for frame in itertools.islice(chosen, per_clip):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def turn(portrait: Portrait, turns: int) -> tuple[Pixels, Boxes]:
    """Turns a portrait counterclockwise by quarter turns; returns it with the box of its face."""
    pixels, (x1, y1, x2, y2) = portrait.pixels, portrait.box
    for _ in range(turns):
        width = pixels.shape[1]
        pixels, (x1, y1, x2, y2) = np.rot90(pixels), (y1, width - x2, y2, width - x1)
    return np.ascontiguousarray(pixels), np.array([(x1, y1, x2, y2)])


def datasets(
    portraits: Sequence[Portrait], clips: Path | None, per_clip: int, count: int
) -> Iterator[tuple[str, Iterator[tuple[Pixels, Boxes | None]]]]:
    """Yields the datasets to search, by name."""
    if clips is not None:
        yield "clips", ((frame, None) for frame in clip_frames(clips, per_clip))
    if len(portraits) > 1:
        yield "portraits", ((portrait.pixels, None) for portrait in portraits)
        for turns in (1, 2, 3):
            yield f"turned by {90 * turns}", (turn(portrait, turns) for portrait in portraits)
    generated = scenes(portraits, count)
    yield "scenes", ((scene.pixels, scene.boxes) for scene in generated)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--frames", type=int, default=4, help="of per_clip clip")
    parser.add_argument("--scenes", type=int, default=150)
    parser.add_argument("--every", type=int, default=4, help="portrait is searched")
    arguments = parser.parse_args()
    portraits = (
        read_portraits(arguments.portraits)[:: arguments.every] if arguments.portraits else []
    )
    reference, ours = finders()
    results = {}
    for name, images in datasets(
        portraits or [astronaut()], arguments.clips, arguments.frames, arguments.scenes
    ):
        counts = compare(images, reference, ours)
        results[name] = asdict(counts) | {"kept": round(counts.kept, 4)}
        print(name, json.dumps(results[name]), flush=True)
    out = Path("build/bench/face_detection.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
