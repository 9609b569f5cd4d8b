"""One evaluation, assembled from its parts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.training.data.landmarks import build_face_detector
from deepfake_serving.training.data.media import MediaFile, read_media
from deepfake_serving.training.engine.run_folder import NETWORK
from deepfake_serving.training.evaluate.breakdown import subgroups
from deepfake_serving.training.evaluate.fold_predictors import FoldPredictors
from deepfake_serving.training.evaluate.hard_examples import HardExample, crop_examples, hardest
from deepfake_serving.training.evaluate.results import Evaluation
from deepfake_serving.training.evaluate.robustness import robustness
from deepfake_serving.training.predict.corruptions import all_corruptions
from deepfake_serving.training.predict.predict_media import MediaScores, predict_media
from deepfake_serving.training.predict.predictor import LocalPredictor, Predictor
from deepfake_serving.training.predict.server_predictor import ServerPredictor
from deepfake_serving.training.predict.weights import pinned_weights
from model_handlers.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """An evaluation of the media below `root` (real/, fake/).

    Attributes:
        model: a manifest. With `server` only its thresholds, face detector and crop are used.
        weights: default: the manifest's own; an untrained network if it names none.
        server: URL of a running model server that predicts instead of this process.
        folds: folder of a run with cross-validation; each file is scored by the network trained
            without its identity.
        frames: frames sampled from a video.
        corrupted: also scores after compression, downscaling, blur and noise.
    """

    root: Path
    model: Path
    weights: Path | None = None
    server: str | None = None
    folds: Path | None = None
    frames: int = 8
    corrupted: bool = True

    @property
    def command(self) -> str:
        """The command line, with names instead of paths."""
        words = ["python", "-m", "deepfake_serving.training", "evaluate", self.root.resolve().name]
        words += ["--model", self.model.name]
        words += ["--weights", self.weights.name] if self.weights else []
        words += ["--server", "URL"] if self.server else []
        words += ["--folds", self.folds.name] if self.folds else []
        words += ["--frames", str(self.frames)]
        return shlex.join([*words, "--robustness" if self.corrupted else "--no-robustness"])


def evaluate(request: EvaluationRequest, cache: Path | None = None) -> Evaluation:
    """Scores the media and computes metrics, overall, by subgroup and under corruption.

    Args:
        cache: folder of detected faces.

    Raises:
        ManifestError: the manifest is invalid or its weights don't match the pinned digest.
        ValueError: there are no media, or none shows a face.
    """
    manifest, media = read_manifest(request.model), read_media(request.root)
    weights = _weights(manifest, request)
    server = ServerPredictor(request.server) if request.server else None
    predictor_for = _predictor_for(manifest, weights, server, request.folds)
    face_detector = build_face_detector(manifest.faces)
    corruptions = all_corruptions() if request.corrupted else []
    found = predict_media(
        media, request.root, predictor_for, face_detector, request.frames, corruptions, cache
    )
    about = {
        "model": f"{manifest.name} {manifest.version}",
        "manifest digest": digest_of(request.model),
        "weights": weights and weights.name,
        "weights digest": weights and digest_of(weights),
        "server's model": server and server.model_info,
        "folds": request.folds and request.folds.name,
        "command": request.command,
    }

    def examples(fake: bool) -> list[HardExample]:
        scores = hardest(found.scores, fake)
        return crop_examples(
            scores, media, request.root, face_detector, manifest.crop, request.frames, cache
        )

    return Evaluation(
        about | _media_counts(request.root, media, found),
        manifest.thresholds,
        found.scores,
        subgroups(found.scores, manifest.thresholds),
        robustness(found.scores, corruptions),
        examples(False),
        examples(True),
    )


def _weights(manifest: Manifest, request: EvaluationRequest) -> Path | None:
    """Returns the evaluated weights; for folds their average, which they stand for."""
    if request.server:
        return None
    if request.folds:
        return request.folds / NETWORK
    return request.weights or pinned_weights(manifest)


def _predictor_for(
    manifest: Manifest, weights: Path | None, server: ServerPredictor | None, folds: Path | None
) -> Callable[[MediaFile], Predictor]:
    if folds:
        return FoldPredictors(manifest, folds)
    predictor: Predictor = server or LocalPredictor(manifest, weights)
    return lambda _: predictor


def _media_counts(root: Path, media: Sequence[MediaFile], found: MediaScores) -> dict[str, Any]:
    return {
        "media": root.resolve().name,
        "media real": sum(not file.fake for file in media),
        "media fake": sum(file.fake for file in media),
        "media without a face": len(found.without_face),
    }
