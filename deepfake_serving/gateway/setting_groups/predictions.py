"""Settings of the log of predictions."""

from __future__ import annotations

from pydantic import Field

from deepfake_serving.runtime.settings import ServerSettings


class PredictionSettings(ServerSettings):
    """Settings of the log: its place, its share of predictions, and how many may wait."""

    mlflow_uri: str | None = Field(
        None,
        min_length=1,
        description="MLflow's tracking server (`http://…`) or database (`sqlite:///…`) that "
        "predictions of images and videos are logged to, without the media; unset: none.",
    )
    mlflow_experiment: str = Field(
        "deepfake-serving", min_length=1, description="MLflow's experiment of predictions."
    )
    mlflow_share: float = Field(
        1.0, gt=0, le=1, description="The share of predictions that are logged, chosen at random."
    )
    mlflow_max_waiting: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Predictions that may wait for MLflow; past it, they are dropped and counted.",
    )
    mlflow_batch_s: float = Field(
        5.0, gt=0, le=3600, description="Predictions of this many seconds are logged together."
    )
