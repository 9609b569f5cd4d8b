"""A training run of a given duration on a GPU."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import TrainingConfig
from deepfake_serving.training.engine.initialization import initialize_network
from deepfake_serving.training.engine.losses import training_loss
from deepfake_serving.training.engine.optimization import create_ema, create_optimizer, update_ema
from deepfake_serving.training.engine.train_module import TrainModule
from deepfake_serving.training.export.half_precision import to_half
from deepfake_serving.training.gpu.autoencoder import Bank
from deepfake_serving.training.gpu.batches import BatchSampler, PairBatch
from deepfake_serving.training.gpu.statistics import PairStatistics

_BANK_EVERY = 4
BANK_FACES = 96
"""Faces per training step of the autoencoders."""


class GpuTrainer:
    """Trains a network on batches of a sampler.

    Args:
        out: folder for `log.jsonl` and the EMA weights, as `FOLDER-NN.safetensors`, where NN is the
            per cent of the run.
    """

    def __init__(
        self, config: TrainingConfig, sampler: BatchSampler, bank: Bank, out: Path
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.sampler, self.bank, self.out = config, sampler, bank, out
        manifest = training_manifest(config)
        network = initialize_network(manifest, config.initial, config.seed).train()
        module = TrainModule(network, manifest.head.channels).to(sampler.store.device)
        self.module = module.to(memory_format=torch.channels_last)
        self.ema = create_ema(self.module.network, config.ema)
        self.optimizer = create_optimizer(config.optimizer, self.module)
        self.half = sampler.store.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(enabled=self.half)  # type: ignore[attr-defined, unused-ignore]
        self.statistics = PairStatistics(sampler.sources, sampler.store.device)
        out.mkdir(parents=True, exist_ok=True)

    def run(self, schedule: TimedSchedule, saved: Sequence[int], log_every: int = 100) -> None:
        """Trains until the schedule ends; saves weights after each of `saved` per cent of it."""
        pending, step, start = sorted(saved), 0, time.monotonic()
        while (progress := schedule.progress()) < 1:
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.optimizer.lr * schedule.factor(progress)
            self._step(self.sampler.draw(self.config.batch_size // 2), step)
            if step % _BANK_EVERY == 0:
                self.statistics.bank = self.bank.train_step(self.sampler.aligned_reals(BANK_FACES))
            step += 1
            if step % log_every == 0:
                self._log(step, time.monotonic() - start, progress)
            while pending and progress * 100 >= pending[0]:
                self.save(pending.pop(0))
        self._log(step, time.monotonic() - start, 1.0)
        for percent in pending:
            self.save(percent)

    def warm_up_bank(self, seconds: float) -> None:
        """Trains only the autoencoders."""
        end, step = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            error = self.bank.train_step(self.sampler.aligned_reals(2 * BANK_FACES))
            step += 1
            if step % 50 == 0:
                self._write({"bank_step": step, "bank_error": round(float(error), 3)})

    def save(self, percent: int) -> None:
        """Saves the EMA weights, the large tensors in half precision."""
        state = to_half(self.ema.module.state_dict())
        save_file(state, self.out / f"{self.out.name}-{percent:02d}.safetensors")

    def _step(self, batch: PairBatch, step: int) -> None:
        crops, masks, labels = _flatten(batch)
        device = crops.device.type
        with torch.autocast(device, torch.float16, enabled=self.half):
            logits, mask_logits = self.module(crops)
        logits = logits.float()
        loss = training_loss(self.config.loss, logits, mask_logits.float(), labels, masks)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.optimizer.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.config.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        update_ema(self.ema, self.module.network, step)
        self.statistics.add(loss.detach(), logits.detach(), batch.sources)

    def _log(self, step: int, seconds: float, progress: float) -> None:
        rate = step * self.config.batch_size / max(seconds, 1e-9)
        values = {"step": step, "seconds": round(seconds), "progress": round(progress, 3)}
        self._write(
            {**values, "crops_per_second": round(rate), **self.statistics.compute_and_reset()}
        )

    def _write(self, values: dict[str, object]) -> None:
        line = json.dumps(values)
        print(line, flush=True)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def _flatten(batch: PairBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Flattens a batch to crops, masks and labels, all reals first."""
    crops = batch.crops.transpose(0, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    masks = torch.cat([torch.zeros_like(batch.masks), batch.masks])
    labels = torch.zeros(len(crops), device=crops.device)
    labels[len(crops) // 2 :] = 1
    return crops, masks, labels


class TimedSchedule:
    """Warms up for `warmup` of the time, then decays by a cosine to zero."""

    def __init__(self, seconds: float, warmup: float = 0.04) -> None:
        self.seconds, self.warmup = seconds, warmup
        self._start: float | None = None

    def progress(self) -> float:
        """Returns the elapsed share of the time; the first call starts the clock."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        return min(1.0, (now - self._start) / self.seconds)

    def factor(self, progress: float) -> float:
        """Returns the learning rate relative to its maximum."""
        if progress < self.warmup:
            return max(0.02, progress / self.warmup)
        rest = (progress - self.warmup) / (1 - self.warmup)
        return (1 + math.cos(math.pi * rest)) / 2
