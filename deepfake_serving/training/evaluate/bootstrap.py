"""Cluster bootstrap over identities: the faces of one person are no independent observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_handlers.pipeline.calibration import Floats

REPLICATES = 1000
_CONFIDENCE = 0.95
_MAX_WEIGHTS_PER_CHUNK = 4_000_000
_MIN_FINITE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % confidence interval; None where undefined."""

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Estimate(None, None, None)


def resamples(
    clusters: npt.NDArray[np.intp], replicates: int = REPLICATES, seed: int = 0
) -> Iterator[Floats]:
    """Yields bootstrap weights (b, n) in chunks that add up to `replicates` rows.

    Clusters are drawn with replacement, as many as there are (Field & Welsh 2007). The weight of a
    unit is the number of times its cluster was drawn.

    Args:
        clusters: the cluster (n,) of each unit.
    """
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1 if len(member) else 0
    rng = np.random.default_rng(seed)
    chunk = max(1, _MAX_WEIGHTS_PER_CHUNK // max(1, len(member)))
    for first in range(0, replicates if count else 0, chunk):
        rows = min(chunk, replicates - first)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=rows)
        yield drawn[:, member].astype(np.float64)


def intervals(
    measure: Callable[[Floats], dict[str, Floats]],
    clusters: npt.NDArray[np.intp],
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Estimates the metrics of `measure` with percentile intervals over resampled clusters.

    Replicates in which a metric is undefined are left out. The interval is None if these are half
    of them or more, or if there is one cluster only.

    Args:
        measure: maps weights (b, n) to metrics (b,) by name.
    """
    values = measure(np.ones((1, len(clusters))))
    chunks = [measure(weights) for weights in resamples(clusters, replicates, seed)]
    single = len(np.unique(clusters)) < 2
    return {
        name: _estimate(
            float(value[0]),
            np.zeros(0) if single else np.concatenate([chunk[name] for chunk in chunks]),
            replicates,
        )
        for name, value in values.items()
    }


def percentiles(replicates: Floats) -> tuple[Floats, Floats]:
    """Returns the ends of the 95 % intervals over the first axis, NaN ignored."""
    tail = 100 * (1 - _CONFIDENCE) / 2
    low, high = np.nanpercentile(replicates, [tail, 100 - tail], axis=0)
    return low, high


def _estimate(value: float, replicates: Floats, requested: int) -> Estimate:
    finite = replicates[np.isfinite(replicates)]
    if not np.isfinite(value):
        return UNDEFINED
    if len(finite) <= _MIN_FINITE_SHARE * requested:
        return Estimate(value, None, None)
    low, high = percentiles(finite)
    return Estimate(value, float(low), float(high))
