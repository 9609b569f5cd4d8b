"""Metrics by subgroup: level, manipulation, face size and variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepfake_serving.training.evaluate.aggregation import LEVELS, Level, aggregate
from deepfake_serving.training.evaluate.bootstrap import REPLICATES
from deepfake_serving.training.evaluate.metric_set import MetricSet, compute_metrics
from deepfake_serving.training.predict.scores import UNCORRUPTED, Score
from model_handlers.manifest import ThresholdsSpec

_FACE_SIZES = ((0, 100), (100, 150), (150, 250), (250, float("inf")))


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Metrics of one subgroup. `by`: `all`, `manipulation`, `face size` or `variant`."""

    by: str
    name: str
    level: Level
    figures: MetricSet


def subgroups(
    scores: Sequence[Score],
    thresholds: ThresholdsSpec,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[Subgroup]:
    """Computes metrics over all scores at every level, and over subgroups.

    Subgroups are videos by manipulation (each against all reals) and by variant, and faces by size
    (`< 100`, `100-150`, `150-250` and `> 250` px, lower ends included).

    Raises:
        ValueError: no score is uncorrupted (`as is`).
    """
    uncorrupted = [score for score in scores if score.variant == UNCORRUPTED]
    if not uncorrupted:
        raise ValueError(f"no score of the variant {UNCORRUPTED!r}")

    def measure(by: str, name: str, level: Level, members: Sequence[Score]) -> Subgroup:
        units = aggregate(members, level)
        return Subgroup(by, name, level, compute_metrics(units, thresholds, replicates, seed))

    return [
        *(measure("all", "all", level, uncorrupted) for level in LEVELS),
        *(measure("manipulation", n, "video", s) for n, s in _by_manipulation(uncorrupted)),
        *(measure("face size", n, "face", s) for n, s in by_face_size(uncorrupted)),
        *(measure("variant", n, "video", s) for n, s in by_variant(scores)),
    ]


def _by_manipulation(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    for kind in sorted({score.manipulation for score in scores if score.fake}):
        yield kind, [s for s in scores if not s.fake or s.manipulation == kind]


def by_face_size(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    """Yields the non-empty bins of the face's longer side, smallest first."""
    for low, high in _FACE_SIZES:
        members = [score for score in scores if low <= score.face_px < high]
        if members:
            yield _bin_name(low, high), members


def _bin_name(low: float, high: float) -> str:
    if not low:
        return f"< {high:.0f} px"
    return f"> {low:.0f} px" if high == float("inf") else f"{low:.0f}-{high:.0f} px"


def by_variant(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    """Yields the variants in order of their first score."""
    for variant in dict.fromkeys(score.variant for score in scores):
        yield variant, [score for score in scores if score.variant == variant]
