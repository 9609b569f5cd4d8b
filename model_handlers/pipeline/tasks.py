"""Tasks: the stages of each kind of model, chained over a batch of items.

An item is an encoded image (bytes) or decoded pixels (uint8 array). A bad item becomes one problem
at its position and does not affect the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from deepfake_serving.contracts.problems import Problem
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.contracts.verdict import (
    CropVerdict,
    FoundFace,
    ImageFaces,
    ImageVerdict,
    ModelRef,
    Result,
)
from model_handlers.images.preview import preview
from model_handlers.items import Item, Options
from model_handlers.manifest import Manifest
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.classifier import Classifier, Scores
from model_handlers.pipeline.crops.face import cut_face, fit_face, png_data_uri
from model_handlers.pipeline.decode import DecodedImage, Pixels, check_tensor, decode_image
from model_handlers.pipeline.face import Face, FoundFaces
from model_handlers.pipeline.faces import FaceDetector
from model_handlers.pipeline.frames.chains import face_chains
from model_handlers.pipeline.frames.following import find_faces
from model_handlers.pipeline.frames.steady_scores import steady_scores
from model_handlers.pipeline.full_size import in_decoded_pixels, in_image_pixels
from model_handlers.pipeline.heatmaps.heatmap import add_heatmaps
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.verdict import coordinates, label, verdict_of_faces

Outcome = Result | Problem


class Task(Protocol):
    """A kind of model. `run` returns an outcome per item and times the stages with `watch`."""

    manifest: Manifest
    model: ModelRef

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]: ...


class DetectorTask:
    """The whole pipeline: image → faces → crops → probabilities → verdict.

    Faces that the client has found are not sought again.
    """

    def __init__(
        self,
        manifest: Manifest,
        model: ModelRef,
        face_detector: FaceDetector,
        classifier: Classifier,
    ) -> None:
        self.manifest, self.model = manifest, model
        self.face_detector, self.classifier = face_detector, classifier

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def classify(images: list[Pixels], each: list[Options]) -> list[Result]:
            with watch("detect"):
                found = self._find(images, each)
            return list(_score_faces(self, images, found, each, watch))

        return _run(items, options, self.manifest, watch, classify)

    def _find(self, images: Sequence[Pixels], options: Sequence[Options]) -> list[FoundFaces]:
        """Returns each image's faces: those that its options give, else those that are detected."""
        sought = [n for n, option in enumerate(options) if option.faces is None]
        found = iter(
            find_faces(
                self.face_detector, [images[n] for n in sought], [options[n] for n in sought]
            )
        )
        return [_given(o) or next(found) for o in options]


class FacesTask:
    """Face detection only: image → boxes, landmarks, and crops if requested."""

    def __init__(self, manifest: Manifest, model: ModelRef, face_detector: FaceDetector) -> None:
        self.manifest, self.model, self.face_detector = manifest, model, face_detector

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def detect(images: list[Pixels], each: list[Options]) -> list[Result]:
            with watch("detect"):
                faces = find_faces(self.face_detector, images, each)
            with watch("crop"):
                return [self._faces(*one) for one in zip(images, faces, each, strict=True)]

        return _run(items, options, self.manifest, watch, detect)

    def _faces(self, image: Pixels, found: FoundFaces, options: Options) -> ImageFaces:
        crop, exact = self.manifest.crop, options.full_precision
        faces = [
            FoundFace(
                box=coordinates(face.box, exact),
                landmarks=[coordinates(point, exact) for point in face.landmarks],
                detection_confidence=round(face.confidence, 4),
                crop=png_data_uri(cut_face(image, face, crop)) if options.crops else None,
            )
            for face in found.faces
        ]
        height, width = image.shape[:2]
        return ImageFaces(faces, width, height, self.model, warnings=_left_out(found))


class ClassifierTask:
    """Classification only: face crops → probabilities; or an image with its faces → a verdict."""

    def __init__(self, manifest: Manifest, model: ModelRef, classifier: Classifier) -> None:
        self.manifest, self.model, self.classifier = manifest, model, classifier

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        def classify(images: list[Pixels], each: list[Options]) -> list[Result]:
            faces = [_given(option) for option in each]
            whole = [n for n, given in enumerate(faces) if given is not None]
            crops = [n for n, given in enumerate(faces) if given is None]
            results: dict[int, Result] = {}
            if whole:
                found = [given for given in faces if given is not None]
                scored = _score_faces(
                    self, [images[n] for n in whole], found, [each[n] for n in whole], watch
                )
                results |= zip(whole, scored, strict=True)
            if crops:
                verdicts = self._crops([images[n] for n in crops], [each[n] for n in crops], watch)
                results |= zip(crops, verdicts, strict=True)
            return [results[n] for n in range(len(images))]

        return _run(items, options, self.manifest, watch, classify)

    def _crops(
        self, images: Sequence[Pixels], options: Sequence[Options], watch: Stopwatch
    ) -> list[CropVerdict]:
        """Scores crops. A face whose size is not given is as large as its crop shows it."""
        with watch("crop"):
            crops = [fit_face(image, self.manifest.crop) for image in images]
        sides = [
            option.face_px or max(image.shape[:2]) / self.manifest.crop.margin
            for image, option in zip(images, options, strict=True)
        ]
        thresholds = self.manifest.thresholds
        return [
            CropVerdict(label(p, thresholds), p, self.model)
            for p in _rounded_probabilities(self.classifier.classify(crops, sides, watch))
        ]


def _score_faces(
    task: DetectorTask | ClassifierTask,
    images: Sequence[Pixels],
    found: Sequence[FoundFaces],
    options: Sequence[Options],
    watch: Stopwatch,
) -> list[ImageVerdict]:
    """Cuts the faces of the images and scores them; draws the heatmaps that are requested.

    Without heatmaps, faces of a video are scored as `steady_scores` says.
    """
    faces = [(n, face) for n, each in enumerate(found) for face in each.faces]

    def score(numbers: Sequence[int]) -> tuple[list[Pixels], Scores]:
        chosen = [faces[number] for number in numbers]
        with watch("crop"):
            crops = [cut_face(images[n], face, task.manifest.crop) for n, face in chosen]
        return crops, task.classifier.score(crops, [f.longer_side for _, f in chosen], watch)

    if any(requested := [option.explain for option in options]):
        crops, scores = score(range(len(faces)))
        verdicts = _verdicts(task, images, found, options, scores.probabilities)
        with watch("explain"):
            return add_heatmaps(verdicts, requested, crops, scores)
    chains = face_chains(images, found, options)
    probabilities = steady_scores(
        chains, lambda numbers: score(numbers)[1].probabilities, task.manifest.thresholds
    )
    return _verdicts(task, images, found, options, probabilities)


def _verdicts(
    task: DetectorTask | ClassifierTask,
    images: Sequence[Pixels],
    found: Sequence[FoundFaces],
    options: Sequence[Options],
    probabilities: Floats,
) -> list[ImageVerdict]:
    rounded = iter(_rounded_probabilities(probabilities))
    return [
        replace(
            verdict_of_faces(
                [(face, next(rounded)) for face in each.faces],
                (image.shape[1], image.shape[0]),
                task.model,
                task.manifest.thresholds,
                full_precision=option.full_precision,
            ),
            warnings=_left_out(each),
        )
        for image, each, option in zip(images, found, options, strict=True)
    ]


def _given(options: Options) -> FoundFaces | None:
    if options.faces is None:
        return None
    return FoundFaces([Face(*face) for face in options.faces], 0)


def _run(
    items: Sequence[Item],
    options: Sequence[Options],
    manifest: Manifest,
    watch: Stopwatch,
    process: Callable[[list[Pixels], list[Options]], list[Result]],
) -> list[Outcome]:
    """Decodes every item, processes the images, and returns outcomes and problems in item order.

    Images are processed together up to `max_pixels` in total, the limit of one image, so that a
    small request can't exhaust memory. No stage begins for a client that no longer waits.
    """
    outcomes: dict[int, Outcome] = {}
    images: dict[int, DecodedImage] = {}

    def flush() -> None:
        for index in list(images):
            try:
                options[index].check_deadline()
            except Problem as problem:
                outcomes[index] = problem
                forget_traceback(problem)
                del images[index]
        if images:
            each = [in_decoded_pixels(options[index], image) for index, image in images.items()]
            results = process([image.pixels for image in images.values()], each)
            for (index, image), result in zip(images.items(), results, strict=True):
                notes = [*image.warnings, *result.warnings]
                complete = replace(result, warnings=notes) if notes else result
                if options[index].preview and not isinstance(complete, CropVerdict):
                    complete = replace(complete, preview=preview(image.pixels))
                outcomes[index] = in_image_pixels(complete, image)
            images.clear()

    pixels = 0
    for index, item in enumerate(items):
        try:
            options[index].check_deadline()
            with watch("decode"):
                image = _decoded(item, manifest)
        except Problem as problem:
            outcomes[index] = problem
            forget_traceback(problem)
            continue
        height, width = image.pixels.shape[:2]
        pixels += height * width
        if pixels > manifest.decode.max_pixels:
            flush()
            pixels = height * width
        images[index] = image
    flush()
    return [outcomes[index] for index in range(len(items))]


def _decoded(item: Item, manifest: Manifest) -> DecodedImage:
    if isinstance(item, np.ndarray):
        return DecodedImage(check_tensor(item, manifest.decode), [])
    return decode_image(item, manifest.decode)


def _left_out(found: FoundFaces) -> list[str]:
    if not found.left_out:
        return []
    count = len(found.faces) + found.left_out
    return [f"only the {len(found.faces)} largest of {count} faces were analysed"]


def _rounded_probabilities(probabilities: Floats) -> list[float]:
    """Rounds probabilities; labels derive from the rounded ones, so that a result is consistent."""
    return [round(float(p), 6) for p in probabilities]
