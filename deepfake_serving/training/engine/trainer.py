"""The training loop: resumable at any checkpoint, deterministic by seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from deepfake_serving.training.config.training import TrainingConfig
from deepfake_serving.training.data.loader import Batch, BatchLoader
from deepfake_serving.training.engine.checkpoint import (
    WORST,
    TrainState,
    load_checkpoint,
    save_checkpoint,
)
from deepfake_serving.training.engine.distillation import Teachers, distillation_loss, mix
from deepfake_serving.training.engine.distributed import DistributedContext
from deepfake_serving.training.engine.losses import training_loss
from deepfake_serving.training.engine.optimization import (
    create_ema,
    create_optimizer,
    lr_factor,
    update_ema,
)
from deepfake_serving.training.engine.progress import TrainingProgress
from deepfake_serving.training.engine.run_folder import LOG, NETWORK
from deepfake_serving.training.engine.tracking import Tracker
from deepfake_serving.training.engine.train_module import TrainModule
from model_handlers.manifest import Manifest
from model_handlers.networks.network import Network

Validate = Callable[[Network], dict[str, float]]
"""Computes metrics on held-out data: `loss` drives `plateau`, `auc` selects the best epoch."""


class Trainer:
    """Trains a network to the end of its settings, resuming from the checkpoint in `out`.

    Args:
        out: folder for the checkpoint, the log and the weights (`network.safetensors`): the EMA of
            the epoch with the best validation AUC, or of the last epoch.
        save_every: steps between checkpoints; each epoch also ends with one.
    """

    def __init__(
        self,
        config: TrainingConfig,
        manifest: Manifest,
        network: Network,
        loader: BatchLoader,
        out: Path,
        distributed: DistributedContext,
        tracker: Tracker,
        validate: Validate | None = None,
        save_every: int = 100,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.loader, self.out = config, loader, out
        self.distributed, self.tracker, self.validate = distributed, tracker, validate
        self.save_every = save_every
        module = TrainModule(network.train(), manifest.head.channels).to(distributed.device)
        self.module = module.to(memory_format=torch.channels_last)
        self.teachers = self._create_teachers(manifest)
        self.ema = create_ema(self.module.network, config.ema) if config.ema else None
        self.parallel = distributed.wrap(self.module)
        self.optimizer = create_optimizer(config.optimizer, self.module)
        self.state = TrainState()
        out.mkdir(parents=True, exist_ok=True)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * len(self.loader)

    @property
    def global_step(self) -> int:
        """Steps done since the start of the run."""
        return self.state.epoch * len(self.loader) + self.state.step

    def run(self) -> Network:
        """Trains to the end and returns the EMA network (the network itself without an EMA)."""
        self._resume()
        visible, size = self.distributed.is_main, self.config.batch_size
        with TrainingProgress(self.total_steps, self.global_step, size, visible) as progress:
            while self.state.epoch < self.config.epochs:
                self._end_epoch(self._train_epoch(progress))
        return self._eval_network()

    def _train_epoch(self, progress: TrainingProgress) -> float:
        """Trains the rest of the epoch and returns the mean loss of all of it."""
        for batch in self.loader.epoch(self.state.epoch, self.state.step):
            loss = self._step(batch)
            self.state.step += 1
            self.state.loss_sum += loss
            progress.update(self.global_step, loss)
            if self.state.step % self.save_every == 0:
                self._save_checkpoint()
        return self.state.loss_sum / max(1, self.state.step)

    def _step(self, batch: Batch) -> float:
        """Updates the weights with one batch and returns its loss.

        Raises:
            ValueError: the loss is not finite; the weights are as before.
        """
        device, config = self.distributed.device, self.config
        batch = self._mixed(batch)
        crops, labels, masks = (t.to(device, non_blocking=True) for t in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = config.optimizer.lr * self._lr_factor()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logits, mask_logits = self.parallel(crops)
        loss = training_loss(config.loss, logits.float(), mask_logits.float(), labels, masks)
        if self.teachers is not None and config.distillation is not None:
            taught = distillation_loss(logits.float(), self.teachers(crops))
            loss = torch.lerp(loss, taught, config.distillation.weight)
        if not torch.isfinite(loss):
            raise ValueError(
                f"the loss of step {self.global_step + 1} is {loss.detach().item()}: use a lower "
                f"optimizer.lr; {self.out} keeps the last checkpoint"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), config.optimizer.clip_norm)
        self.optimizer.step()
        if self.ema is not None:
            update_ema(self.ema, self.module.network, self.global_step)
        return float(loss.detach())

    def _create_teachers(self, manifest: Manifest) -> Teachers | None:
        if self.config.distillation is None:
            return None
        teachers = Teachers(self.config.distillation, manifest).to(self.distributed.device)
        return teachers.to(memory_format=torch.channels_last)

    def _mixed(self, batch: Batch) -> Batch:
        """Mixes some of the batches; a resumed run mixes the same ones."""
        distillation = self.config.distillation
        if distillation is None:
            return batch
        seed = self.config.seed * 1_000_003 + self.global_step
        generator = torch.Generator().manual_seed(seed)
        chosen = float(torch.rand((), generator=generator)) < distillation.mixup
        return mix(batch, generator) if chosen else batch

    def _lr_factor(self) -> float:
        schedule, plateau_factor = self.config.schedule, self.state.plateau_factor
        return lr_factor(schedule, self.global_step, self.total_steps, plateau_factor)

    def _eval_network(self) -> Network:
        """Returns the network to validate and save, in evaluation mode."""
        network: Network = self.ema.module if self.ema else self.module.network
        return network.eval()

    def _end_epoch(self, loss: float) -> None:
        metrics = {"epoch": self.state.epoch + 1, "loss": loss, "lr": self._lr_factor()}
        if self.validate is not None and self.distributed.is_main:
            validation = self.validate(self._eval_network())
            metrics |= {f"validation_{name}": value for name, value in validation.items()}
            self.module.network.train()
        metrics = self.distributed.broadcast(metrics)
        self.state.end_epoch(metrics.get("validation_loss", loss), self.config.schedule.patience)
        if self.distributed.is_main:
            self._log(metrics)
        auc = metrics.get("validation_auc")
        if auc is None or auc >= self.state.best:
            self.state.best = WORST if auc is None else auc
            self._save_network()
        self._save_checkpoint()

    def _log(self, metrics: dict[str, float]) -> None:
        self.tracker.log(metrics, self.global_step)
        with (self.out / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(metrics) + "\n")

    def _save_network(self) -> None:
        if not self.distributed.is_main:
            return
        state = self._eval_network().state_dict()
        save_file({name: t.contiguous().cpu() for name, t in state.items()}, self.out / NETWORK)
        self.module.network.train()

    def _save_checkpoint(self) -> None:
        if self.distributed.is_main:
            run = self.config.model_dump_json(), self.loader.data
            save_checkpoint(self.out, *run, self.state, self.module, self.ema, self.optimizer)

    def _resume(self) -> None:
        run = self.config.model_dump_json(), self.loader.data
        state = load_checkpoint(self.out, *run, self.module, self.ema, self.optimizer)
        self.state = state or self.state
