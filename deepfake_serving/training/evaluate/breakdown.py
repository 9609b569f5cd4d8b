"""The same figures for parts: each level, manipulation, size of face and variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from deepfake_serving.training.evaluate.bootstrap import REPLICATES
from deepfake_serving.training.evaluate.figures import Figures, figures_of
from deepfake_serving.training.evaluate.levels import LEVELS, Level, at_level
from deepfake_serving.training.scores import Score
from model_handlers.manifest import ThresholdsSpec

AS_IS = "as is"
_SIZES = ((0, 100), (100, 150), (150, 250), (250, float("inf")))


@dataclass(frozen=True, slots=True)
class Part:
    """Figures of one part. `by`: `all`, `manipulation`, `face size` or `variant`."""

    by: str
    name: str
    level: Level
    figures: Figures


def parts(
    scores: Sequence[Score],
    thresholds: ThresholdsSpec,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> list[Part]:
    """Everything at every level; then videos by manipulation (each against all reals) and variant,
    and faces by size (bins of `< 100`, `100-150`, `150-250` and `> 250` px; 100 is in the second).

    Raises:
        ValueError: no score is untouched (`as is`).
    """
    untouched = [score for score in scores if score.variant == AS_IS]
    if not untouched:
        raise ValueError(f"no score of the variant {AS_IS!r}")
    measure = partial(_part, thresholds=thresholds, replicates=replicates, seed=seed)
    out = [measure("all", "all", level, untouched) for level in LEVELS]
    out += [measure("manipulation", n, "video", s) for n, s in _by_manipulation(untouched)]
    out += [measure("face size", n, "face", s) for n, s in by_size(untouched)]
    out += [measure("variant", n, "video", s) for n, s in by_variant(scores)]
    return out


def _part(
    by: str,
    name: str,
    level: Level,
    scores: Sequence[Score],
    thresholds: ThresholdsSpec,
    replicates: int,
    seed: int,
) -> Part:
    return Part(by, name, level, figures_of(at_level(scores, level), thresholds, replicates, seed))


def _by_manipulation(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    for kind in sorted({score.manipulation for score in scores if score.fake}):
        yield kind, [s for s in scores if not s.fake or s.manipulation == kind]


def by_size(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    """Bins of the face's longer side; those without a face are left out."""
    for low, high in _SIZES:
        inside = [score for score in scores if low <= score.face_px < high]
        if inside:
            yield _size_name(low, high), inside


def _size_name(low: float, high: float) -> str:
    if not low:
        return f"< {high:.0f} px"
    return f"> {low:.0f} px" if high == float("inf") else f"{low:.0f}-{high:.0f} px"


def by_variant(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    """What was done to the pixels, in the order in which it was done."""
    for variant in dict.fromkeys(score.variant for score in scores):
        yield variant, [score for score in scores if score.variant == variant]
