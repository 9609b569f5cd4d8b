"""The progress of a training run: what a checkpoint holds besides weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TrainState:
    """`step` batches of epoch `epoch` are done (both from 0 on).

    Attributes:
        best: highest validation AUC so far.
        bad_epochs: epochs since the lowest loss or the last reduction of the learning rate.
        plateau_factor: product of the reductions of the learning rate.
    """

    epoch: int = 0
    step: int = 0
    best: float = -1.0
    bad_epochs: int = 0
    lowest_loss: float = float("inf")
    plateau_factor: float = 1.0

    def end_epoch(self, loss: float, patience: int) -> None:
        """Advances to the next epoch; divides the rate by ten after `patience` bad epochs."""
        self.epoch, self.step = self.epoch + 1, 0
        if loss < self.lowest_loss:
            self.lowest_loss, self.bad_epochs = loss, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > patience:
            self.plateau_factor, self.bad_epochs = self.plateau_factor / 10, 0
