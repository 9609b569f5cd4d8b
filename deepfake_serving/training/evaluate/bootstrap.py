"""Intervals by resampling people: the faces of one person are no independent observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepfake_serving.training.evaluate.levels import Floats

REPLICATES = 1000
_SHARE = 0.95
_AT_ONCE = 4_000_000
_FINITE = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None


def resamples(
    clusters: npt.NDArray[np.intp], replicates: int = REPLICATES, seed: int = 0
) -> Iterator[Floats]:
    """Weights (b, n) in portions that add up to `replicates` rows.

    As many clusters as there are are drawn with replacement (Field & Welsh 2007); a unit weighs as
    often as its cluster was drawn.

    Args:
        clusters: the cluster (n,) that each unit belongs to.
    """
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1 if len(member) else 0
    rng = np.random.default_rng(seed)
    portion = max(1, _AT_ONCE // max(1, len(member)))
    for first in range(0, replicates if count else 0, portion):
        rows = min(portion, replicates - first)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        yield drawn[:, member].astype(np.float64)


def intervals(
    measure: Callable[[Floats], dict[str, Floats]],
    clusters: npt.NDArray[np.intp],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Figure]:
    """What `measure` makes of weights (b, n), with percentile intervals over resampled clusters.

    A replicate in which a figure is undefined is left out; where that is half of them or more, or
    there is one cluster only, the interval is None.
    """
    values = measure(np.ones((1, len(clusters))))
    portions = [measure(weights) for weights in resamples(clusters, replicates, seed)]
    alone = len(np.unique(clusters)) < 2
    return {
        name: _figure(
            float(value[0]),
            np.concatenate([p[name] for p in portions]) if not alone else np.zeros(0),
            replicates,
        )
        for name, value in values.items()
    }


def percentiles(replicates: Floats) -> tuple[Floats, Floats]:
    """Lower and upper ends of the 95 % intervals over the first axis, NaN left out."""
    tail = 100 * (1 - _SHARE) / 2
    low, high = np.nanpercentile(replicates, [tail, 100 - tail], axis=0)
    return low, high


def _figure(value: float, replicates: Floats, asked: int) -> Figure:
    finite = replicates[np.isfinite(replicates)]
    if not np.isfinite(value):
        return Figure(None, None, None)
    if len(finite) <= _FINITE * asked:
        return Figure(value, None, None)
    low, high = percentiles(finite)
    return Figure(value, float(low), float(high))
