"""Out-of-fold predictors: every person is scored by the network not trained on them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from deepfake_serving.training.data.media import MediaFile
from deepfake_serving.training.engine.run_folder import FOLDS, NETWORK, fold_folder
from deepfake_serving.training.predict.predictor import LocalPredictor, Predictor
from model_handlers.manifest import Manifest


class FoldPredictors:
    """Returns the predictor of a media file: the network of its identity's fold.

    Args:
        run: folder of a run with cross-validation.
    """

    def __init__(self, manifest: Manifest, run: Path) -> None:
        self._run = run
        self._fold_of: dict[str, int] = json.loads((run / FOLDS).read_text(encoding="utf-8"))
        self._load = lru_cache(lambda weights: LocalPredictor(manifest, weights))

    def __call__(self, file: MediaFile) -> Predictor:
        predictor: Predictor = self._load(self.weights(file))
        return predictor

    def weights(self, file: MediaFile) -> Path:
        """Returns the weights of the network that was not trained on the file's identity.

        Raises:
            ValueError: the identity is in no fold.
        """
        if file.identity not in self._fold_of:
            raise ValueError(f"{file.path.name}: no fold left out {file.identity!r}")
        return fold_folder(self._run, self._fold_of[file.identity]) / NETWORK
