"""Experiment tracking besides the run's log: none, TensorBoard or MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

Kind = Literal["none", "tensorboard", "mlflow"]


class Tracker(Protocol):
    """Receives the metrics of every epoch."""

    def log(self, metrics: Mapping[str, float], step: int) -> None: ...

    def close(self) -> None: ...


def create_tracker(kind: Kind, out: Path, settings: Mapping[str, object]) -> Tracker:
    """Creates a tracker that stores below `out`; MLflow honours `MLFLOW_TRACKING_URI`."""
    if kind == "tensorboard":
        return _TensorBoard(out / "tensorboard", settings)
    if kind == "mlflow":
        return _MLflow(out / "mlflow", settings)
    return _NoTracker()


class _NoTracker:
    def log(self, metrics: Mapping[str, float], step: int) -> None:
        pass

    def close(self) -> None:
        pass


class _TensorBoard:
    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        text = "\n".join(f"    {name}: {value}" for name, value in settings.items())
        self._writer.add_text("settings", text)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        import mlflow

        if "MLFLOW_TRACKING_URI" not in os.environ:
            # mlflow-skinny stores runs in files only, which must be enabled explicitly.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            folder.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(folder.resolve().as_uri())
        mlflow.set_experiment("deepfake-serving")
        self._run = mlflow.start_run()
        mlflow.log_params({name: str(value)[:250] for name, value in settings.items()})

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        import mlflow

        mlflow.log_metrics(dict(metrics), step=step)

    def close(self) -> None:
        import mlflow

        mlflow.end_run()
