"""Optimizer, learning-rate schedule and exponential moving average of a training run."""

from __future__ import annotations

import math

import torch
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined, unused-ignore]
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from deepfake_serving.training.config.training import OptimizerConfig, ScheduleConfig

_FINAL_LR_FACTOR = 0.01
_TIMM_NAMES = {"adamw": "adamw", "adam": "adam", "sgd": "momentum"}  # timm's `sgd` is Nesterov's


def create_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Creates the optimizer; biases and normalization layers have no weight decay."""
    optimizer: torch.optim.Optimizer = create_optimizer_v2(
        module,
        opt=_TIMM_NAMES[config.name],
        lr=config.lr,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
    )
    return optimizer


def lr_factor(config: ScheduleConfig, step: int, total_steps: int, plateau_factor: float) -> float:
    """Returns the learning rate of a step, relative to the configured one.

    A pure function of the step, so that a resumed run continues with the same rates. timm's plateau
    scheduler warms up by epochs, not steps, and doesn't save its count of bad epochs.

    Args:
        plateau_factor: the product of the reductions so far; see `PlateauState`.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.name == "plateau":
        return plateau_factor
    if config.name == "constant":
        return 1.0
    progress = (step - config.warmup_steps) / max(1, total_steps - config.warmup_steps)
    return _FINAL_LR_FACTOR + (1 - _FINAL_LR_FACTOR) * (1 + math.cos(math.pi * progress)) / 2


def create_ema(network: nn.Module, decay: float) -> ModelEmaV3:
    """Creates an EMA of weights and buffers with decay min(`decay`, (1 + step) / (10 + step)).

    `update_ema` applies that warm-up, which is timm's with gamma 9 and power 1.
    """
    return ModelEmaV3(network, decay, use_warmup=True, warmup_gamma=9, warmup_power=1)


def update_ema(ema: ModelEmaV3, network: nn.Module, step: int) -> None:
    """Moves the EMA towards the network after `step` (from 0 on)."""
    ema.update(network, step=step + 2)  # timm counts from 1, and its first update only copies
