"""Whether heatmaps point at what was blended in: `python -m benchmarks.heatmaps PORTRAITS`.

Portraits that training left out are blended by the training package, which knows the mask. Whole
blends cover the centre of the face, where any map would score; so each is cut to a random half of
the face too. Pointing game: Zhang et al. 2018 (arXiv:1608.00507). Deletion: Petsiuk et al. 2018
(arXiv:1806.07421), with the original's pixels in place of the deleted ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from deepfake_serving.assets import MODEL_STORE
from deepfake_serving.training.data.landmarks import best_landmark_detector
from deepfake_serving.training.data.pairs import PairConfig, PairGenerator
from deepfake_serving.training.data.portraits import Portrait, read_portraits, split_by_identity
from model_handlers.backends.pytorch import build_classifier
from model_handlers.manifest import CropSpec, read_manifest
from model_handlers.pipeline.classifier import Classifier, Scores
from model_handlers.pipeline.crop import crop_face
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch

Floats = npt.NDArray[np.float32]
HELD_OUT = 0.13
INSIDE = 0.1
RAMP_PX = 16


@dataclass(frozen=True)
class Example:
    """A real crop, the same with a blend, and the blend's mask (size, size)."""

    real: Pixels
    fake: Pixels
    mask: Floats


def examples(portraits: Sequence[Portrait], spec: CropSpec) -> Iterator[Example]:
    """Blends each portrait once, without further processing."""
    generator = PairGenerator(portraits, PairConfig(), None)
    for index in range(len(portraits)):
        blend, portrait = generator.blend(0, index)
        grey = np.repeat((blend.mask * 255).astype(np.uint8)[:, :, None], 3, axis=2)
        real, fake, mask = (
            crop_face(p, portrait.box, spec) for p in (blend.real, blend.fake, grey)
        )
        yield Example(real, fake, mask[:, :, 0].astype(np.float32) / np.float32(255))


def half(example: Example, rng: np.random.Generator) -> Example:
    """Keeps the blend on one side of the centre only; the centre itself is real."""
    size = len(example.mask)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size] - size / 2
    side = np.clip((x * np.cos(angle) + y * np.sin(angle)) / RAMP_PX, 0, 1).astype(np.float32)
    mixed = example.real * (1 - side[..., None]) + example.fake * side[..., None]
    return Example(example.real, np.rint(mixed).astype(np.uint8), example.mask * side)


def points_inside(grid: Floats, mask: Floats) -> bool:
    """Returns whether the map's maximum, interpolated to the crop's size, is inside the mask."""
    wide = cv2.resize(grid, mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return bool(mask[np.unravel_index(wide.argmax(), wide.shape)] > INSIDE)


def deletion(
    example: Example,
    order: npt.NDArray[np.intp],
    side: int,
    score: Callable[[list[Pixels]], Floats],
) -> float:
    """Returns the mean score while cells are replaced in order by the original's, three a step."""
    images, image = [example.fake], example.fake.copy()
    step = len(image) // side
    for start in range(0, len(order), 3):
        for cell in order[start : start + 3]:
            row, column = (position * step for position in divmod(int(cell), side))
            patch = slice(row, row + step), slice(column, column + step)
            image[patch] = example.real[patch]
        images.append(image.copy())
    return float(score(images).mean())


def pointing_rows(kind: str, found: Sequence[Example], scores: Scores) -> Iterator[str]:
    """Yields a table row for all blends, and one for those that are at least suspicious."""
    assert scores.maps is not None
    hits = np.array([points_inside(g, e.mask) for g, e in zip(scores.maps, found, strict=True)])
    area = np.array([(e.mask > INSIDE).mean() for e in found])
    centre = np.array([e.mask[len(e.mask) // 2, len(e.mask) // 2] > INSIDE for e in found])
    every = np.ones(len(found), bool)
    for name, chosen in (("all", every), ("score ≥ 0.40", scores.probabilities >= 0.4)):
        values = (part[chosen].mean() for part in (hits, area, centre))
        figures = " | ".join(f"{value:.2f}" for value in values)
        yield f"| {kind}, {name} | {chosen.sum()} | {figures} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path, nargs="+", help="folders of portraits")
    parser.add_argument("--manifest", type=Path, default=Path("config/models/detector.yaml"))
    parser.add_argument("--index", type=Path, default=Path("build/heatmaps"))
    options = parser.parse_args()
    manifest = read_manifest(options.manifest)
    assert manifest.weights is not None
    weights = load_file(MODEL_STORE / manifest.weights.file)
    classifier = Classifier(manifest, build_classifier(manifest, weights, torch.device("cpu")))

    def score(crops: Sequence[Pixels]) -> Scores:
        return classifier.score(crops, [1e6] * len(crops), Stopwatch())

    portraits = []
    options.index.mkdir(parents=True, exist_ok=True)
    for folder in options.portraits:
        every = read_portraits(
            folder, best_landmark_detector(), options.index / f"{folder.name}.npz"
        )
        portraits += split_by_identity(every, HELD_OUT, 0)[1]
    rng = np.random.default_rng(0)
    whole = list(examples(portraits, manifest.crop))
    halves = [half(example, rng) for example in whole]
    print("| blends | number | map | random point | centre |\n| --- | --- | --- | --- | --- |")
    for kind, found in (("whole face", whole), ("half of the face", halves)):
        scores = score([example.fake for example in found])
        print("\n".join(pointing_rows(kind, found, scores)))
    print("\n| deletion, mean score | by the map | random | from the centre |")
    print("| --- | --- | --- | --- |")
    for kind, found in (("whole face", whole), ("half of the face", halves)):
        print(_deletion_row(kind, found, score, rng))


def _deletion_row(
    kind: str,
    found: Sequence[Example],
    score: Callable[[Sequence[Pixels]], Scores],
    rng: np.random.Generator,
) -> str:
    scores = score([example.fake for example in found])
    assert scores.maps is not None
    side = scores.maps.shape[1]
    from_centre = np.hypot(*(np.mgrid[:side, :side] - side // 2)).ravel().argsort()
    means = []
    for example, grid, p in zip(found, scores.maps, scores.probabilities, strict=True):
        if p >= 0.4:
            orders = (-grid.ravel()).argsort(), rng.permutation(side * side), from_centre
            means.append(
                [
                    deletion(example, order, side, lambda c: score(c).probabilities.astype("f4"))
                    for order in orders
                ]
            )
    figures = " | ".join(f"{value:.3f}" for value in np.mean(means, axis=0))
    return f"| {kind}, {len(means)} blends | {figures} |"


if __name__ == "__main__":
    main()
