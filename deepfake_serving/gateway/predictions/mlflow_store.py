"""Predictions in MLflow: a run of this process, with their numbers as metrics, and as JSON lines.

https://mlflow.org/docs/latest/rest-api.html. The step of a metric is the number of its prediction
in the run, and so is `step` of a line.
"""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from typing import Any

import orjson

from deepfake_serving.gateway.predictions.log import Refused
from deepfake_serving.gateway.predictions.prediction import Prediction

_MAX_METRICS = 1000
"""Metrics that a tracking server takes at once."""
_MAX_TAG = 250
_TOO_MANY = 429
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the log retries
}


class MLflowStore:
    """Writes predictions by MLflow's client. Its own environment variables hold credentials."""

    def __init__(self, uri: str, experiment: str) -> None:
        """
        Raises:
            ModuleNotFoundError: MLflow's client is not installed.
        """
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment = experiment
        self._run_id: str | None = None
        self._next_step = 0
        self._tagged: set[str] = set()

    def write(self, batch: list[Prediction]) -> None:
        """Writes a batch; after a failure it may be written again, to the same steps.

        Raises:
            Refused: the server has refused it for good.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._write(batch)
        except MlflowException as error:
            status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
            if 400 <= status < 500 and status != _TOO_MANY:
                self._run_id = None  # the run may have been deleted
                raise Refused(error.message[:300]) from error
            raise
        self._next_step += len(batch)

    def _write(self, batch: list[Prediction]) -> None:
        from mlflow.entities import Metric

        run_id = self._run_id or self._start_run()
        numbered = list(enumerate(batch, self._next_step))
        metrics = [
            Metric(name, value, int(1000 * prediction.time), step)
            for step, prediction in numbered
            for name, value in prediction.metrics.items()
        ]
        for begin in range(0, len(metrics), _MAX_METRICS):
            self._client.log_batch(run_id, metrics=metrics[begin : begin + _MAX_METRICS])
        self._tag_models(run_id, batch)
        lines = b"\n".join(
            orjson.dumps({"step": step} | asdict(prediction)) for step, prediction in numbered
        )
        name = f"predictions/{self._next_step:09d}.jsonl"
        self._client.log_text(run_id, lines.decode() + "\n", name)

    def _start_run(self) -> str:
        """Creates a run, and the experiment where there is none."""
        experiment = self._client.get_experiment_by_name(self._experiment)
        number = experiment and experiment.experiment_id
        number = number or self._client.create_experiment(self._experiment)
        name = f"{socket.gethostname()}-{os.getpid()}"
        self._run_id = str(self._client.create_run(number, run_name=name).info.run_id)
        self._next_step, self._tagged = 0, set()
        return self._run_id

    def _tag_models(self, run_id: str, batch: list[Prediction]) -> None:
        """Tags the run with the digests of its models, so that runs can be found by them."""
        for model in {prediction.model for prediction in batch}:
            value = f"{model.version} {model.digest}"[:_MAX_TAG]
            if (tag := f"{model.name} {value}") not in self._tagged:
                self._client.set_tag(run_id, f"model.{model.name}", value)
                self._tagged.add(tag)
