"""A probe for shortcuts: image statistics that separate real from fake without the face.

A network learns anything that separates the classes. A small classifier of properties of files, not
of faces, should therefore not be better than chance (shortcut learning: Geirhos et al. 2020,
arXiv:2004.07780).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepfake_serving.training.sources.mixture import CropPair
from model_handlers.pipeline.decode import Pixels

Floats = npt.NDArray[np.float64]
_FOLDS = 5
_BORDER = 0.12


def image_statistics(crop: Pixels) -> Floats:
    """Returns (9,): mean colours, contrast, and sharpness, noise and block edges of the border."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    width = max(10, round(len(grey) * _BORDER))
    border = np.concatenate([grey[:width], grey[-width:]])
    laplacian = cv2.Laplacian(border, cv2.CV_32F)
    step = np.abs(np.diff(border, axis=1))
    phases = np.array([step[:, phase::8].mean() for phase in range(8)])
    noise = border - cv2.medianBlur(border, 3)
    values = [*crop.reshape(-1, 3).mean(0), grey.std(), border.mean()]
    values += [np.log1p(laplacian.std()), np.log1p(noise.std()), step.mean(), phases.max()]
    return np.array(values, np.float64)


def probe_auc(pairs: Sequence[CropPair]) -> float:
    """Returns the out-of-fold AUC of a logistic regression on `image_statistics`.

    Both crops of a pair are in the same fold.
    """
    features = np.stack(
        [image_statistics(crop) for pair in pairs for crop in (pair.real, pair.fake)]
    )
    labels = np.tile([0, 1], len(pairs))
    groups = np.repeat(np.arange(len(pairs)), 2)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    folds = GroupKFold(_FOLDS)
    scores = cross_val_predict(
        model, features, labels, groups=groups, cv=folds, method="decision_function"
    )
    return float(roc_auc_score(labels, scores))
