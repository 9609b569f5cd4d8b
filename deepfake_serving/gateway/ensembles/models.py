"""Ensembles as models of `GET /v1/models`."""

from __future__ import annotations

from collections.abc import Mapping

from deepfake_serving.contracts.models import MemberInfo, ModelInfo
from deepfake_serving.ensembles.spec import EnsembleSpec


def ensemble_info(
    spec: EnsembleSpec, served: Mapping[str, Mapping[str, ModelInfo]]
) -> dict[str, ModelInfo]:
    """Returns the ensemble's description by pool; empty where too few members are served.

    Args:
        served: the models of all pools, by name and pool.
    """
    up = {model: next(iter(served[model].values())) for model in spec.models if model in served}
    if len(up) < spec.min_members:
        return {}
    info = ModelInfo(
        name=spec.name,
        version=spec.version,
        digest=spec.digest({model: info.digest for model, info in up.items()}),
        trained=all(info.trained for info in up.values()),
        thresholds=spec.thresholds,
        card=spec.card,
        task="ensemble",
        max_pixels=min((info.max_pixels for info in up.values() if info.max_pixels), default=None),
        members=[MemberInfo(m.model, m.weight, m.model in up) for m in spec.members],
    )
    pools = dict.fromkeys(pool for model in up for pool in served[model])
    return dict.fromkeys(pools, info)
