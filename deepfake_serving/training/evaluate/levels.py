"""Scores of faces, gathered to what is counted: faces, frames or videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.scores import Score

Floats = npt.NDArray[np.float64]
Level = Literal["face", "frame", "video"]
LEVELS: tuple[Level, ...] = ("face", "frame", "video")


@dataclass(frozen=True, slots=True)
class Judged:
    """n units with an answer, and how many had none.

    `labels` (n,) is true for fakes; `probabilities` (n,) lie in [0, 1]; `identities` (n,) number
    the people: what is shared by several units of one person is resampled together; `names` (n,)
    are the paths of the media.
    """

    labels: npt.NDArray[np.bool_]
    probabilities: Floats
    identities: npt.NDArray[np.intp]
    unanswered: int = 0
    names: tuple[str, ...] = ()

    @property
    def people(self) -> int:
        """Different identities among the units with an answer."""
        return len(np.unique(self.identities))


def at_level(scores: Sequence[Score], level: Level) -> Judged:
    """Gathers scores of one variant.

    A frame is as fake as its most suspicious face, as in service. A video has the mean of its
    faces' calibrated probabilities, a picture being a video of one frame. Faces without an answer
    (NaN) count for neither; a unit of nothing else is `unanswered`.
    """

    def key(score: Score) -> tuple[str, str, int]:
        return score.path, score.variant, score.frame if level == "frame" else 0

    if level == "face":
        groups = [[score] for score in scores]
    else:
        groups = [list(group) for _, group in groupby(sorted(scores, key=key), key)]
    gather = np.max if level == "frame" else np.mean
    answers = [[s.probability for s in g if not np.isnan(s.probability)] for g in groups]
    kept = [(g[0], float(gather(a))) for g, a in zip(groups, answers, strict=True) if a]
    people = {name: place for place, name in enumerate(sorted({s.identity for s in scores}))}
    return Judged(
        np.array([score.fake for score, _ in kept], dtype=bool),
        np.array([probability for _, probability in kept], dtype=np.float64),
        np.array([people[score.identity] for score, _ in kept], dtype=np.intp),
        len(groups) - len(kept),
        tuple(score.path for score, _ in kept),
    )
