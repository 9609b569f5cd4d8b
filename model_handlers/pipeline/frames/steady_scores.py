"""Scores of faces through frames: where they are steady, not every frame is scored.

The network takes most of a video's time, and a face changes little from frame to frame. So the
first and last face of a chain are scored, and the middle one of each part whose ends differ or
whose verdict is not clear, down to single frames. The others get the values between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_handlers.manifest import ThresholdsSpec
from model_handlers.pipeline.calibration import Floats
from model_handlers.pipeline.frames.chains import Chain

_MAX_GAP = 4
"""Frames from one scored face to the next, at most."""
_MAX_DIFFERENCE = 0.05
"""Difference of the probabilities at both ends of a part, at most."""
_MARGIN = 0.1
"""Distance to `suspicious_from` from which a face is clearly real."""

Part = tuple[Chain, int, int]
"""A chain, and two positions in it that are scored."""


def steady_scores(
    chains: Sequence[Chain], score: Callable[[list[int]], Floats], thresholds: ThresholdsSpec
) -> Floats:
    """Returns the probabilities of all faces of all chains.

    Args:
        score: scores the faces with these numbers.
    """
    probabilities = np.zeros(sum(map(len, chains)))
    parts: list[Part] = [(chain, 0, len(chain) - 1) for chain in chains]
    wanted = sorted({chain[end] for chain in chains for end in (0, -1)})
    while wanted:
        probabilities[wanted] = score(wanted)
        parts, wanted = _divide(parts, probabilities, thresholds)
    return probabilities


def _divide(
    parts: Sequence[Part], probabilities: Floats, thresholds: ThresholdsSpec
) -> tuple[list[Part], list[int]]:
    """Fills the steady parts; returns the halves of the others, and the faces in their middle."""
    halves: list[Part] = []
    wanted: list[int] = []
    for chain, start, end in parts:
        if end - start < 2:
            continue
        ends = probabilities[[chain[start], chain[end]]]
        if end - start <= _MAX_GAP and _is_steady(ends, thresholds):
            between = np.linspace(ends[0], ends[1], end - start + 1)
            probabilities[chain[start : end + 1]] = between
            continue
        middle = (start + end) // 2
        halves += [(chain, start, middle), (chain, middle, end)]
        wanted.append(chain[middle])
    return halves, wanted


def _is_steady(ends: Floats, thresholds: ThresholdsSpec) -> bool:
    real = bool((ends <= thresholds.suspicious_from - _MARGIN).all())
    fake = bool((ends > thresholds.fake_above).all())
    return (real or fake) and bool(np.ptp(ends) <= _MAX_DIFFERENCE)
