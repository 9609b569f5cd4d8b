"""The stages chained over a batch: what each kind of model does with N items.

An item is one encoded picture (bytes) or one already decoded (uint8 array). A bad item is one
problem in its place; the others never notice.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Protocol

import cv2
import numpy as np

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.verdict import (
    CropVerdict,
    FaceVerdict,
    FoundFace,
    ImageFaces,
    ImageVerdict,
    ModelRef,
    Result,
)
from model_handlers.items import Item, Options
from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.classifier import Classifier
from model_handlers.pipeline.crop import crop_face, fit_crop
from model_handlers.pipeline.decode import Pixels, check_tensor, decode
from model_handlers.pipeline.faces import Face, FaceFinder
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.verdict import image_verdict, word

Outcome = Result | Problem


class Task(Protocol):
    """A kind of model. `run` answers every item, in order, and notes stage times on `watch`."""

    manifest: Manifest
    model: ModelRef

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]: ...


class DetectorTask:
    """The whole chain: picture → faces → crops → probabilities → verdict."""

    def __init__(
        self, manifest: Manifest, model: ModelRef, finder: FaceFinder, classifier: Classifier
    ) -> None:
        self.manifest, self.model = manifest, model
        self.finder, self.classifier = finder, classifier

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def judge(images: list[Pixels], _: list[int]) -> list[Result]:
            with watch("detect"):
                faces = self.finder.find(images)
            with watch("crop"):
                crops = [
                    crop_face(image, face.box, self.manifest.crop)
                    for image, found in zip(images, faces, strict=True)
                    for face in found
                ]
            sides = [face.longer_side for found in faces for face in found]
            probabilities = iter(_published(self.classifier.classify(crops, sides, watch)))
            return [
                self._verdict(image, [(face, next(probabilities)) for face in found])
                for image, found in zip(images, faces, strict=True)
            ]

        return _run(items, self.manifest, watch, judge)

    def _verdict(self, image: Pixels, judged: Sequence[tuple[Face, float]]) -> ImageVerdict:
        thresholds = self.manifest.thresholds
        faces = [
            FaceVerdict(
                box=_rounded(face.box),
                landmarks=[_rounded(point) for point in face.landmarks],
                detection_confidence=round(face.confidence, 4),
                fake_probability=p,
                verdict=word(p, thresholds),
                models={self.model.name: p},
            )
            for face, p in judged
        ]
        verdict, probability = image_verdict(faces, thresholds)
        height, width = image.shape[:2]
        return ImageVerdict(verdict, probability, faces, width, height, self.model)


class FacesTask:
    """Only the faces: picture → boxes, landmarks, and crops where they were asked for."""

    def __init__(self, manifest: Manifest, model: ModelRef, finder: FaceFinder) -> None:
        self.manifest, self.model, self.finder = manifest, model, finder

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def find(images: list[Pixels], places: list[int]) -> list[Result]:
            with watch("detect"):
                faces = self.finder.find(images)
            with watch("crop"):
                return [
                    self._faces(image, found, options[place].crops)
                    for image, found, place in zip(images, faces, places, strict=True)
                ]

        return _run(items, self.manifest, watch, find)

    def _faces(self, image: Pixels, found: Sequence[Face], crops: bool) -> ImageFaces:
        faces = [
            FoundFace(
                box=_rounded(face.box),
                landmarks=[_rounded(point) for point in face.landmarks],
                detection_confidence=round(face.confidence, 4),
                crop=_data_uri(crop_face(image, face.box, self.manifest.crop)) if crops else None,
            )
            for face in found
        ]
        return ImageFaces(faces, image.shape[1], image.shape[0], self.model)


class ClassifierTask:
    """Only the judgement: face crops → probabilities."""

    def __init__(self, manifest: Manifest, model: ModelRef, classifier: Classifier) -> None:
        self.manifest, self.model, self.classifier = manifest, model, classifier

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def judge(images: list[Pixels], _: list[int]) -> list[Result]:
            with watch("crop"):
                crops = [fit_crop(image, self.manifest.crop) for image in images]
            sides = [max(image.shape[:2]) / self.manifest.crop.margin for image in images]
            thresholds = self.manifest.thresholds
            return [
                CropVerdict(word(p, thresholds), p, self.model)
                for p in _published(self.classifier.classify(crops, sides, watch))
            ]

        return _run(items, self.manifest, watch, judge)


def _run(
    items: Sequence[Item],
    manifest: Manifest,
    watch: Stopwatch,
    work: Callable[[list[Pixels], list[int]], list[Result]],
) -> list[Outcome]:
    """Decodes every item, works on those that could be, and puts the answers in their places.

    The pictures go through together, as many as have `max_pixels` between them: what one picture
    may take is what a batch may take, or a small request could fill the memory.
    """
    outcomes: dict[int, Outcome] = {}
    images: dict[int, Pixels] = {}

    def work_off() -> None:
        if images:
            results = work(list(images.values()), list(images))
            outcomes.update(zip(list(images), results, strict=True))
            images.clear()

    pixels = 0
    for place, item in enumerate(items):
        try:
            with watch("decode"):
                image = _pixels(item, manifest)
        except Problem as problem:
            outcomes[place] = problem
            continue
        pixels += image.shape[0] * image.shape[1]
        if pixels > manifest.decode.max_pixels:
            work_off()
            pixels = image.shape[0] * image.shape[1]
        images[place] = image
    work_off()
    return [outcomes[place] for place in range(len(items))]


def _pixels(item: Item, manifest: Manifest) -> Pixels:
    if isinstance(item, np.ndarray):
        return check_tensor(item, manifest.decode)
    return decode(item, manifest.decode)


def _published(probabilities: Floats) -> list[float]:
    """As they are shown; verdicts are taken from these, so that no answer contradicts itself."""
    return [round(float(p), 6) for p in probabilities]


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 1) for value in values]


def _data_uri(crop: Pixels) -> str:
    _, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")
