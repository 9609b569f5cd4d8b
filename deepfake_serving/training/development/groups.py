"""Error rates by group of faces: reals called fake and fakes that pass as real."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from deepfake_serving.training.development.attributes import SKIN_TONE, Attributes
from deepfake_serving.training.development.sets import SetScores
from deepfake_serving.training.development.skin_tone import GROUPS
from deepfake_serving.training.evaluate.breakdown import by_face_size
from deepfake_serving.training.predict.scores import UNCORRUPTED, Score
from model_handlers.manifest import ThresholdsSpec

RECORDS = "groups.json"
_SHARPNESS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True, slots=True)
class Group:
    """Counts of one group.

    Attributes:
        by: the attribute that defines the group; `all` for all faces.
        called_fake, suspected: real faces above the upper and above the lower threshold.
        missed: fakes below the lower threshold.
    """

    by: str
    name: str
    reals: int
    called_fake: int
    suspected: int
    fakes: int
    missed: int


def count_groups(
    sets: Sequence[SetScores], attributes: Attributes, thresholds: ThresholdsSpec
) -> list[Group]:
    """Counts errors on uncorrupted faces: overall, and by set, size, sharpness and attribute."""
    scored = [
        (found.name, score)
        for found in sets
        for score in found.scores
        if score.variant == UNCORRUPTED and np.isfinite(score.probability)
    ]
    everything = [score for _, score in scored]
    divisions = [
        ("all", "all", everything),
        *(("set", found.name, [s for n, s in scored if n == found.name]) for found in sets),
        *(("face size", name, members) for name, members in by_face_size(everything)),
        *(("sharpness", name, members) for name, members in _by_sharpness(everything)),
        *_by_attribute(scored, attributes),
    ]
    return [_count(by, name, members, thresholds) for by, name, members in divisions if members]


def write_groups(groups: Sequence[Group], path: Path) -> None:
    """Writes the counts as JSON."""
    path.write_text(json.dumps([asdict(g) for g in groups], indent=1) + "\n", encoding="utf-8")


def read_groups(path: Path) -> tuple[Group, ...]:
    """Reads a file that `write_groups` wrote; empty if it is missing."""
    if not path.is_file():
        return ()
    return tuple(Group(**record) for record in json.loads(path.read_text(encoding="utf-8")))


def _by_sharpness(scores: Sequence[Score]) -> Iterator[tuple[str, list[Score]]]:
    """Yields thirds of equal size by the high-frequency detail of the crops."""
    order = sorted((s for s in scores if np.isfinite(s.detail)), key=lambda s: s.detail)
    limits = np.linspace(0, len(order), 4).round().astype(int).tolist()
    for name, first, last in zip(_SHARPNESS, limits[:-1], limits[1:], strict=True):
        yield name, order[first:last]


def _by_attribute(
    scored: Sequence[tuple[str, Score]], attributes: Attributes
) -> Iterator[tuple[str, str, list[Score]]]:
    groups: dict[tuple[str, str], list[Score]] = {}
    for name, score in scored:
        for by, group in attributes.get((name, score.path), {}).items():
            groups.setdefault((by, group), []).append(score)
    for (by, group), members in sorted(groups.items(), key=lambda item: _order(*item[0])):
        yield by, group, members


def _order(by: str, group: str) -> tuple[str, int, str]:
    return by, GROUPS.index(group) if by == SKIN_TONE else 0, group


def _count(by: str, name: str, scores: Sequence[Score], thresholds: ThresholdsSpec) -> Group:
    reals = np.array([s.probability for s in scores if not s.fake])
    fakes = np.array([s.probability for s in scores if s.fake])
    return Group(
        *(by, name, len(reals)),
        int((reals > thresholds.fake_above).sum()),
        int((reals >= thresholds.suspicious_from).sum()),
        len(fakes),
        int((fakes < thresholds.suspicious_from).sum()),
    )
