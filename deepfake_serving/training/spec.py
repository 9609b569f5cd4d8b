"""What a training run is: a YAML file of `config/training/`, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OptimizerSpec(_Spec):
    """`adamw` (Loshchilov & Hutter 2019), `adam`, or `sgd` with momentum."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(default=5e-4, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.02, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0, description="bound on the gradient's norm")


class ScheduleSpec(_Spec):
    """`cosine` to a hundredth after a linear warm-up; `plateau` divides by ten when the validation
    loss (the training loss without a held-out part) has not fallen for `patience` epochs."""

    name: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_steps: int = Field(default=200, ge=0)
    patience: int = Field(default=2, ge=0)


class LossSpec(_Spec):
    """Binary cross-entropy, with smoothed labels and an auxiliary prediction of the blend mask."""

    label_smoothing: float = Field(default=0.03, ge=0, lt=0.5)
    mask_weight: float = Field(default=0.5, ge=0)


class DataSpec(_Spec):
    """How pairs are made; see `deepfake_serving.training.data.pairs`."""

    swap_share: float = Field(default=0, ge=0, le=1, description="pairs that are real swaps")
    swap_frames: int = Field(default=16, ge=1, description="taken of each video of a swap")
    self_share: float = Field(default=0.55, ge=0, le=1)
    margins: tuple[float, float] = (1.1, 1.5)
    reuse: int = Field(default=2, ge=1, description="epochs that see a stored pair")
    held_out: float = Field(default=0.05, ge=0, lt=1, description="share of the identities")
    identity: str = Field(default="", description="regular expression; see `read_portraits`")


class TrainingSpec(_Spec):
    """One run. `batch_size` counts crops: half of them real, half their fakes."""

    model: Path = Field(description="manifest of the model, relative to the repository")
    initial: str = Field(
        default="imagenet", description="`scratch`, `imagenet`, or a .safetensors of the network"
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="else the manifest's")
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=32, ge=2, multiple_of=2, description="over all processes")
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    loss: LossSpec = LossSpec()
    data: DataSpec = DataSpec()
    ema: float = Field(default=0.995, ge=0, lt=1, description="0: no average of the weights")
    precision: Literal["fp32", "bf16"] = "bf16"
    seed: int = 0


def read_spec(path: Path) -> TrainingSpec:
    """Reads a training file; raises `ValueError` naming the field and the reason."""
    return TrainingSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
