"""The settings of a training run: a YAML file of `config/training/`, typed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from deepfake_serving.contracts.reasons import reason_of
from deepfake_serving.training.config.base import StrictModel
from deepfake_serving.training.config.mixture import MixtureConfig


class OptimizerConfig(StrictModel):
    """`adamw` (Loshchilov & Hutter 2019), `adam`, or `sgd` with momentum."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = Field(default=5e-4, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.02, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0, description="maximum norm of the gradient")


class ScheduleConfig(StrictModel):
    """The learning-rate schedule, after a linear warm-up.

    `cosine` decays to a hundredth. `plateau` divides by ten when the validation loss (the training
    loss without validation) has not improved for `patience` epochs.
    """

    name: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_steps: int = Field(default=200, ge=0)
    patience: int = Field(default=2, ge=0)


class LossConfig(StrictModel):
    """Binary cross-entropy with label smoothing, and an auxiliary loss on the blend mask."""

    label_smoothing: float = Field(default=0.03, ge=0, lt=0.5)
    mask_weight: float = Field(default=0.5, ge=0)


class TeacherConfig(StrictModel):
    """A teacher: a trained network of the same manifest."""

    weights: Path = Field(description=".safetensors of the network")
    scale: float = Field(default=1.0, gt=0, description="factor of its logit in the teachers' sum")


class DistillationConfig(StrictModel):
    """Knowledge distillation (Hinton et al. 2015, arXiv:1503.02531) from a sum of logits.

    Batches are mixed with themselves (mixup), so that student and teachers are compared between the
    training images as well (Beyer et al. 2022, arXiv:2106.05237).
    """

    teachers: list[TeacherConfig] = Field(min_length=1)
    weight: float = Field(default=0.7, gt=0, le=1, description="share of the loss")
    mixup: float = Field(default=0.5, ge=0, le=1, description="share of the batches that are mixed")


class SynthesisConfig(StrictModel):
    """The fit of the synthesis head: a logistic regression on the stages' mean features.

    Synthesised faces are rarer in service than in the fit: `prior` moves the log-odds of all (King
    & Zeng 2001, "Logistic Regression in Rare Events Data").
    """

    source: str = Field(description="source of the mixture whose fakes are synthesised as a whole")
    pairs: int = Field(default=6000, ge=2)
    c: float = Field(default=1e-2, gt=0, description="inverse strength of L2 regularisation")
    prior: float = Field(default=-3.0, le=0, description="added to the log-odds")


class DataConfig(StrictModel):
    """The generation of pairs; see `deepfake_serving.training.data.pairs`."""

    swap_share: float = Field(default=0, ge=0, le=1, description="share of pairs from real swaps")
    swap_frames: int = Field(default=16, ge=1, description="frames sampled from each swap video")
    self_share: float = Field(default=0.55, ge=0, le=1, description="share of self-blends")
    margins: tuple[float, float] = (1.1, 1.5)
    reuse: int = Field(default=2, ge=1, description="epochs that share a cached pair")
    held_out: float = Field(default=0.05, ge=0, lt=1, description="share of identities held out")
    identity: str = Field(default="", description="regular expression; see `read_portraits`")


class TrainingConfig(StrictModel):
    """One training run. `batch_size` counts crops: half of them real, half their fakes."""

    model: Path = Field(description="manifest of the model, relative to the repository")
    initial: str = Field(
        default="imagenet", description="`scratch`, `imagenet`, or a .safetensors of the network"
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="overrides the manifest's")
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=32, ge=2, multiple_of=2, description="over all processes")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    distillation: DistillationConfig | None = Field(
        default=None, description="teachers of the network, in addition to the labels"
    )
    synthesis: SynthesisConfig | None = Field(
        default=None, description="for `fit-synthesis`, which trains nothing else"
    )
    data: DataConfig = DataConfig()
    mixture: MixtureConfig | None = Field(
        default=None, description="packed sources to train on, instead of `data`"
    )
    ema: float = Field(default=0.995, ge=0, lt=1, description="decay of the EMA; 0: no EMA")
    precision: Literal["fp32", "bf16"] = "bf16"
    seed: int = 0


def read_config(path: Path) -> TrainingConfig:
    """Reads the settings of a run.

    Raises:
        OSError: there is no such file.
        ValueError: it is no YAML, or a field is unknown or malformed; the message names it.
    """
    try:
        return TrainingConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {reason_of(error)}") from error
