"""Checkpoints: everything that a resumed run needs to end with the same bits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from deepfake_serving.training.engine.run_folder import CHECKPOINT

WORST = -1.0
"""Below every AUC."""


@dataclass
class TrainState:
    """`step` batches of epoch `epoch` are done (both from 0 on).

    Attributes:
        loss_sum: sum of the losses of the epoch's steps.
        best: validation AUC of the saved network, below any if it was not validated.
        bad_epochs: epochs since the lowest loss or the last reduction of the learning rate.
        plateau_factor: product of the reductions of the learning rate.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float = WORST
    bad_epochs: int = 0
    lowest_loss: float = float("inf")
    plateau_factor: float = 1.0

    def end_epoch(self, loss: float, patience: int) -> None:
        """Advances to the next epoch; divides the rate by ten after `patience` bad epochs."""
        self.epoch, self.step, self.loss_sum = self.epoch + 1, 0, 0.0
        if loss < self.lowest_loss:
            self.lowest_loss, self.bad_epochs = loss, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > patience:
            self.plateau_factor, self.bad_epochs = self.plateau_factor / 10, 0


def save_checkpoint(
    out: Path,
    config: str,
    data: str,
    state: TrainState,
    module: nn.Module,
    ema: ModelEmaV3 | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Writes the checkpoint atomically.

    Args:
        config: the run's settings as JSON.
        data: digest of the images that it trains on.
    """
    content = {
        "config": config,
        "data": data,
        "state": vars(state),
        "module": module.state_dict(),
        "ema": ema.module.state_dict() if ema else None,
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }
    partial = out / f"{CHECKPOINT}.part"
    torch.save(content, partial)
    partial.replace(out / CHECKPOINT)


def load_checkpoint(
    out: Path,
    config: str,
    data: str,
    module: nn.Module,
    ema: ModelEmaV3 | None,
    optimizer: torch.optim.Optimizer,
) -> TrainState | None:
    """Restores the checkpoint of `out` in place; None if there is none.

    Raises:
        ValueError: it belongs to a run with other settings, or on other images.
    """
    path = out / CHECKPOINT
    if not path.exists():
        return None
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if content["config"] != config:
        raise ValueError(f"{path} belongs to a run with other settings; use another folder")
    if content.get("data", data) != data:
        raise ValueError(f"{path} belongs to a run on other images; use another folder")
    module.load_state_dict(content["module"])
    if ema is not None:
        ema.module.load_state_dict(content["ema"])
    optimizer.load_state_dict(content["optimizer"])
    torch.set_rng_state(content["rng"])
    return TrainState(**content["state"])
