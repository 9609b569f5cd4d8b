"""Triton's extensions of the Open Inference Protocol: repository index, configuration, statistics.

https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

from __future__ import annotations

from typing import Any

from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.prediction import oip
from deepfake_serving.model_server.prediction.predictor import Predictor

_DATA_TYPES = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT32": "TYPE_INT32"}


def repository_index(predictor: Predictor, ready_only: bool) -> list[dict[str, str]]:
    """Returns the state of every model; versions are integers, as Triton's are."""
    ready = predictor.state.model_ready
    return [
        {
            "name": model.name,
            "version": model.integer_version,
            "state": "READY" if ready(model.name) else "UNAVAILABLE",
            "reason": "" if ready(model.name) else "no running worker",
        }
        for model in predictor.models.values()
        if ready(model.name) or not ready_only
    ]


def model_config(model: ServedModel) -> dict[str, Any]:
    """Returns the configuration, as far as Triton's schema describes this model.

    Clients send any number of images; `max_batch_size` 0 says that shapes include it.
    """
    batching = {"batch_size": model.batch_size, "batch_delay_ms": model.batch_delay_ms}
    return {
        "name": model.name,
        "platform": oip.PLATFORM,
        "backend": "torchserve",
        "max_batch_size": 0,
        "input": [{"name": oip.input_name(model), "data_type": "TYPE_STRING", "dims": [-1]}],
        "output": [
            {"name": o.name, "data_type": _DATA_TYPES[o.datatype], "dims": [-1, *o.shape[1:]]}
            for o in oip.outputs(model, [])
        ],
        "instance_group": [{"name": model.name, "count": model.workers}],
        "parameters": {name: {"string_value": str(value)} for name, value in batching.items()},
    }


def statistics(predictor: Predictor, name: str = "", version: str = "") -> dict[str, Any]:
    """Returns the statistics of a model, or of all, since the start of the server.

    Raises:
        UnknownModel
    """
    models = [predictor.model(name, version)] if name else predictor.models.values()
    by_name = predictor.statistics
    return {
        "model_stats": [
            by_name[model.name].document(model.name, model.integer_version) for model in models
        ]
    }
