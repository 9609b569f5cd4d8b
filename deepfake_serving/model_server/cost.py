"""The measured cost of a model: memory of its workers, and their time for an image."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import psutil

from deepfake_serving.contracts.models import ModelCost
from deepfake_serving.model_server.metrics import Metrics
from deepfake_serving.model_server.models import ServedModel


def model_cost(model: ServedModel, worker_pids: Sequence[int], metrics: Metrics) -> ModelCost:
    """Returns the cost of a served model so far.

    Args:
        worker_pids: process ids of the workers that are ready.
    """
    sizes = []
    for pid in worker_pids:
        with contextlib.suppress(psutil.Error):
            sizes.append(psutil.Process(pid).memory_info().rss)
    return ModelCost(
        device=model.device,
        workers=len(worker_pids),
        memory_bytes=round(sum(sizes) / len(sizes)) if sizes else None,
        image_ms=metrics.image_ms(model.name),
    )
